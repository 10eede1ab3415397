// Package sparkui provides the Caddy module that shows Spark UIs.
package sparkui

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/sparkui"
)

func init() {
	caddy.RegisterModule(new(SparkUI))
	httpcaddyfile.RegisterHandlerDirective("livy_spark_ui", parseSparkUI)
}

// SparkUI is the handler that shows Spark UIs.
//
// On a site of its own, it shows the Spark UIs of all gateways and nothing else. The address of
// that site is the option `spark_ui` of the `livy` app. Pages of a Spark UI come from drivers,
// which run users' code. On a host of their own, their scripts share no origin, login or cookie
// with the gateways and the management API.
//
// If Spark UIs have no site of their own, the handler stands before `livy_gateway` and shows them
// on the gateway's site, below the gateway's path. The directive `livy_gateway` sets this up.
type SparkUI struct {
	// The name or id of the only gateway of this site. Default: all gateways are served, at
	// `/api/v1/workspace/{workspace}/livycompute/{name or id}`.
	Gateway string `json:"gateway,omitempty"`

	// The workspace of that gateway. Default: `default`.
	Workspace string `json:"workspace,omitempty"`

	// Whether to show only the Spark UIs of public gateways.
	Public bool `json:"public,omitempty"`

	// Whether the handler stands before `livy_gateway` on a gateway's site. It then passes all
	// other requests on to the next handler, and shows no Spark UIs if the `livy` app has the
	// option `spark_ui`. Default: false, for a site of its own.
	BesideGateway bool `json:"beside_gateway,omitempty"`

	core     *core.Core
	access   *core.AccessLog
	failures *core.Failures
	endpoint core.Endpoint
}

// CaddyModule returns the Caddy module information.
func (*SparkUI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID: "http.handlers.livy_spark_ui", New: func() caddy.Module { return new(SparkUI) },
	}
}

// Provision sets up the handler.
func (h *SparkUI) Provision(ctx caddy.Context) error {
	app, err := core.AppOf(ctx)
	if err != nil {
		return err
	}
	if !h.BesideGateway && app.SparkUISite() == "" {
		return errors.New("livy_spark_ui: the livy block must have the address of this site, " +
			"e.g. spark_ui https://ui.example.com")
	}
	h.core, h.access, h.failures = app.Core(), core.NewAccessLog(ctx), core.NewFailures(ctx)
	h.failures.Browsers = true
	h.endpoint = core.Endpoint{Gateway: h.Gateway, Workspace: h.Workspace, Public: h.Public}
	return nil
}

var errOnlyUIs = gateway.Errorf(gateway.KindNotFound,
	"this site shows Spark UIs only, at "+gateway.EndpointPrefix+"{workspace}/"+gateway.EndpointMiddle+
		"/{gateway}"+gateway.SparkUIPath+"{record}/; caddy livy session ui creates a link to one")

// ServeHTTP serves Spark UIs.
func (h *SparkUI) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	visit, err := h.visit(r)
	if visit == nil && h.BesideGateway {
		return next.ServeHTTP(w, r) // also if no gateway was found: the next handler replies
	}
	defer h.access.Take(w, r)()
	api.Harden(w.Header())
	if err == nil {
		err = h.serve(w, r, visit)
	}
	if err != nil {
		h.failures.Answer(w, r, err)
	}
	return nil
}

// visit returns the Spark UI that a request is for, or nil if it is for none.
func (h *SparkUI) visit(r *http.Request) (*sparkui.Visit, error) {
	if !strings.Contains(r.URL.Path, gateway.SparkUIPath) {
		return nil, errOnlyUIs
	}
	e, prefix, path, err := h.endpoint.Find(h.core.Manager, r)
	if err != nil {
		return nil, errOnlyUIs
	}
	rest, ok := strings.CutPrefix(path, gateway.SparkUIPath)
	if !ok {
		return nil, errOnlyUIs
	}
	return &sparkui.Visit{
		Gateway: e.Gateway, Prefix: prefix, Path: rest, Site: h.core.Manager.SparkUISite(),
		Origin: sparkui.BrowserOrigin(r, core.FromTrustedProxy(r)), ClientAddr: core.ClientAddr(r),
	}, nil
}

func (h *SparkUI) serve(w http.ResponseWriter, r *http.Request, visit *sparkui.Visit) error {
	if _, err := h.core.Manager.Awake(r.Context()); err != nil {
		return err
	}
	if h.BesideGateway == (visit.Site != "") {
		return errElsewhere(visit.Site)
	}
	return h.core.SparkUI.Serve(w, r, visit)
}

// errElsewhere returns the error for a site that shows no Spark UIs.
func errElsewhere(site string) error {
	if site == "" {
		return gateway.Errorf(gateway.KindNotFound, "no Spark UIs are shown here, but on the sites of the gateways")
	}
	return gateway.Errorf(gateway.KindNotFound,
		"no Spark UIs are shown here, but at %s; caddy livy session ui creates a link", site)
}

// parseSparkUI parses the directive
//
//	livy_spark_ui [<matcher>] {
//	    public
//	}
func parseSparkUI(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // livy_spark_ui
	if h.NextArg() {
		return nil, h.ArgErr()
	}
	ui := new(SparkUI)
	for h.NextBlock(0) {
		if h.Val() != "public" {
			return nil, h.Errf("unknown option %q of livy_spark_ui", h.Val())
		}
		if err := directive.Flag(h.Dispenser, &ui.Public); err != nil {
			return nil, err
		}
	}
	return ui, nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*SparkUI)(nil)
	_ caddyhttp.MiddlewareHandler = (*SparkUI)(nil)
)
