package static

import (
	"context"
	"fmt"
	"strings"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/upstream"
)

// Examine checks each engine's server and its version.
func (r *Runtime) Examine(ctx context.Context, c *gateway.Catalog) []doctor.Result {
	var results []doctor.Result
	for _, e := range c.Engines {
		for n := 1; n <= 1+len(e.URLs); n++ {
			results = append(results, examineEngine(ctx, e.At(n)))
		}
	}
	return results
}

func examineEngine(ctx context.Context, e gateway.Engine) doctor.Result {
	check := "engine " + e.Name
	server, err := e.LivyServer()
	if err != nil {
		return doctor.Failure(check, err.Error(), "fix the engine's url")
	}
	version, err := upstream.VersionOf(ctx, server)
	switch {
	case livy.IsRefused(err):
		return doctor.Failure(check, fmt.Sprintf("%s refuses the gateway's login: %s", e.URL, err),
			"correct user and password, or the header, of the engine")
	case err != nil:
		return doctor.Failure(check, fmt.Sprintf("no Livy at %s: %s", e.URL, err),
			"start the Livy server there, or fix the engine's url")
	case version == "":
		return doctor.Good(check, "%s answers and requires a login", e.URL)
	case version != e.LivyVersion() && !strings.HasPrefix(version, e.LivyVersion()+"-"):
		return doctor.Failure(check,
			fmt.Sprintf("%s is Livy %s, but the engine is configured as %s", e.URL, version, e.LivyVersion()),
			"set livy "+strings.TrimSuffix(version, "-incubating")+" in the engine, or use another server")
	}
	return doctor.Good(check, "%s is Livy %s", e.URL, version)
}

// Interface guard
var _ upstream.Examiner = (*Runtime)(nil)
