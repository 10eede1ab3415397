package control

import (
	"fmt"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
)

// What a gateway names is kept when the configuration stops offering it: the gateway cannot be
// started, and says how to change that.

// unpin returns how to make a setting follow the configuration again.
func unpin(g *gateway.Gateway, field string) string {
	if g.Declared {
		return fmt.Sprintf("change %s of this gateway in the configuration of Caddy", field)
	}
	return fmt.Sprintf("caddy livy gateway update %s --workspace %s --unset %s", g.Spec.Name, g.Workspace, field)
}

// outdatedVersion returns an error if a gateway requires another version of Livy than its engine
// has.
func outdatedVersion(g *gateway.Gateway, r *resolved.Gateway) error {
	pinned, engine := g.Spec.LivyVersion, r.Engine
	if pinned == "" || engine.Name == "" || pinned == engine.LivyVersion() {
		return nil
	}
	return gateway.Invalid("livyVersion", pinned, fmt.Sprintf("is required, but engine %s has %s; to use that: %s",
		engine.Name, engine.LivyVersion(), unpin(g, "livyVersion")))
}

// checkOffered returns an error if the configuration does not offer what the gateway names.
func checkOffered(g *gateway.Gateway, r *resolved.Gateway) error {
	if len(r.Missing) == 0 {
		return outdatedVersion(g, r)
	}
	lost := *r.Missing[0]
	lost.Rule += "; to go without: " + unpin(g, lost.Field)
	return &lost
}

// wrongVersion returns why a server of a version is not used, and what to do.
func wrongVersion(g *gateway.Gateway, r *resolved.Gateway, version string) string {
	mend := fmt.Sprintf("correct the version of engine %s in the configuration, or its Livy", r.Engine.Name)
	if g.Spec.LivyVersion != "" {
		mend += "; to accept any: " + unpin(g, "livyVersion")
	}
	return fmt.Sprintf("the Livy server has version %s instead of the promised %s: %s", version, r.Promised, mend)
}
