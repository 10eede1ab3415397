package livyadmin

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

func init() {
	caddy.RegisterModule(new(API))
	httpcaddyfile.RegisterHandlerDirective("livy_api", parseAPI)
}

// API is the handler that serves the management API at `/v1/` of a site. It requires an
// authentication handler before it, such as `basic_auth` or `forward_auth`: the user is the value
// of the placeholder `{http.auth.user.id}`, and may do everything. A request without a user gets
// 401. All other paths are passed on to the next handler.
//
// Web pages of other origins cannot use the API with a browser's login: their requests are
// refused with 403, bodies must be JSON, and no CORS headers are sent.
type API struct {
	core    *core.Core
	handler http.Handler
}

// CaddyModule returns the Caddy module information.
func (*API) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_api", New: func() caddy.Module { return new(API) }}
}

// Provision sets up the handler.
func (h *API) Provision(ctx caddy.Context) error {
	c, err := core.Of(ctx)
	if err != nil {
		return err
	}
	h.core = c
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.API.WriteError(w, r, siteOrigin(r),
			gateway.Errorf(gateway.KindForbidden, "this change was requested by a web page of another origin"))
	}))
	h.handler = sameOrigin.Handler(c.API.Handler(siteOrigin))
	return nil
}

// apiPath is the prefix of all paths of the API.
const apiPath = "/v1/"

// ServeHTTP serves the API to logged-in users.
func (h *API) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if len(r.URL.Path) < len(apiPath) || r.URL.Path[:len(apiPath)] != apiPath {
		return next.ServeHTTP(w, r)
	}
	w.Header().Set("Cache-Control", "no-store")
	api.Harden(w.Header()) // also replies of the cross-origin check
	o := siteOrigin(r)
	if o.Actor == "" {
		o.Actor = core.UnknownActor
		h.core.API.WriteError(w, r, o, errNobody)
		return nil
	}
	h.handler.ServeHTTP(w, r)
	return nil
}

var errNobody = gateway.Errorf(gateway.KindUnauthorized,
	"nobody is logged in: livy_api requires an authentication handler before it in this site that sets "+
		"{http.auth.user.id}, such as basic_auth or forward_auth")

// siteOrigin returns the user who is logged in on a site.
func siteOrigin(r *http.Request) gateway.Origin {
	return gateway.Origin{Actor: core.User(r), Address: core.HostOf(core.ClientAddr(r)), Surface: "site"}
}

// parseAPI parses the directive
//
//	livy_api [<matcher>]
func parseAPI(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // livy_api
	if h.NextArg() {
		return nil, h.ArgErr()
	}
	if h.NextBlock(0) {
		return nil, h.Errf("livy_api has no options (got %q)", h.Val())
	}
	return new(API), nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*API)(nil)
	_ caddyhttp.MiddlewareHandler = (*API)(nil)
)
