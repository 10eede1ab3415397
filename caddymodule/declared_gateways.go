package caddymodule

import (
	"maps"
	"slices"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/policies"
)

// DeclaredGateway is a gateway that is declared in the configuration, which is the only place
// where its settings can be changed. Tokens, records, starting and stopping work as with other
// gateways. An existing gateway with the same name is taken over with its tokens and records. A
// gateway that is removed from the configuration is stopped. Its tokens and records stay, and it
// can then be changed and deleted like any other.
type DeclaredGateway struct {
	// The workspace of the gateway. Default: `default`.
	Workspace string `json:"workspace,omitempty"`

	// Do not start the gateway when it appears in the configuration. It is then started by hand,
	// or by a request if it has auto-start. Default: it is started when it appears in the
	// configuration. In either case, a reload does not start a gateway that has been stopped
	// since.
	ManualStart bool `json:"manual_start,omitempty"`

	// The settings of the gateway, spelled as in the API: `name`, `cpu`, `memory`, `engine` and
	// so on; see docs/gateways.md. In the texts of configuration files, `{file./path}` is
	// replaced by the content of a file.
	Spec gateway.Spec `json:"spec"`

	notes []string // about placeholders that are empty
}

// declarations returns the gateways of the configuration, checked and complete.
func (a *App) declarations(settings *resolved.Settings) ([]control.Declaration, error) {
	list := make([]control.Declaration, 0, len(a.Gateways))
	for _, g := range a.Gateways {
		list = append(list, control.Declaration{
			Workspace: g.Workspace, Spec: g.Spec, Manual: g.ManualStart, Notes: g.notes,
		})
	}
	return list, control.CheckDeclared(settings, list)
}

// warnOfTypos logs keys of the configuration that may be mistyped. They may be intended, so they
// are not errors.
func (a *App) warnOfTypos() {
	warn := func(where, note string) {
		a.log.Warn("a key of the configuration may be mistyped", zap.String("in", where), zap.String("note", note))
	}
	for _, d := range a.declared {
		for _, note := range d.Typos {
			warn("gateway "+d.Workspace+"/"+d.Spec.Name, note)
		}
	}
	for _, e := range a.Environments {
		var t policies.Typing
		for _, key := range slices.Sorted(maps.Keys(e.Conf)) {
			t.Spark("conf", key)
		}
		for _, note := range t.Notes() {
			warn("environment "+e.Name, note)
		}
	}
}
