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

// DeclaredGateway is a gateway that stands in the configuration. Its settings can
// be changed only here; tokens, records, starting and stopping are as with other
// gateways. One of the same name that is there already is taken over with its
// tokens and records. Once removed from the configuration the gateway is stopped;
// its tokens and records stay, and it can be changed and deleted like any other.
type DeclaredGateway struct {
	// The workspace that it belongs to. Default: `default`.
	Workspace string `json:"workspace,omitempty"`

	// Leaves it to people and to requests to start the gateway. Default: it is
	// started when it appears in the configuration. A gateway that was stopped
	// since then is not started by a reload.
	ManualStart bool `json:"manual_start,omitempty"`

	// The gateway's settings, spelled as in the API: `name`, `cpu`, `memory`,
	// `engine` and so on; see docs/gateways.md. In texts of conf files,
	// `{file./path}` is replaced by the contents of a file.
	Spec gateway.Spec `json:"spec"`

	notes []string // placeholders that stand for nothing
}

// declarations are the gateways of the configuration, checked and complete.
func (a *App) declarations(settings *resolved.Settings) ([]control.Declaration, error) {
	list := make([]control.Declaration, 0, len(a.Gateways))
	for _, g := range a.Gateways {
		list = append(list, control.Declaration{Workspace: g.Workspace, Spec: g.Spec, Manual: g.ManualStart, Notes: g.notes})
	}
	return list, control.CheckDeclared(settings, list)
}

// warnOfTypos says what looks mistyped in the configuration. It may be meant, so it is
// refused by nobody.
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
