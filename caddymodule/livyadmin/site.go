package livyadmin

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

func init() {
	caddy.RegisterModule(new(API))
	httpcaddyfile.RegisterHandlerDirective("livy_api", parseAPI)
}

// API is the handler that serves the management API at `/v1/` of a site, behind an
// authentication of Caddy's such as `basic_auth` or `forward_auth`. The roles of the livy app
// limit what a user may do; without roles every user who is logged in has full access. A
// request without a user is answered 401. All other paths go on to the next handler.
//
// Web pages of other origins cannot use the API with a browser's login: their requests are
// refused with 403, bodies must be JSON, and no CORS headers are sent.
type API struct {
	// The user's name: a text with placeholders. Default: `{http.auth.user.id}`.
	User string `json:"user,omitempty"`

	// The user's groups, separated by commas or `|`: a text with placeholders, e.g.
	// `{http.reverse_proxy.header.Remote-Groups}` behind `forward_auth`. Default: none.
	Groups string `json:"groups,omitempty"`

	// The addresses of proxies that identify the user in request headers. A user or group that
	// is read from the request itself (`{http.request.header.Remote-User}`) counts only if the
	// request comes from one of these. Default: the server's `trusted_proxies`.
	TrustedProxies []string `json:"trusted_proxies,omitempty"`

	core     *core.Core
	identity identity
	handler  http.Handler
	ended    chan struct{} // closed when event streams have to end
	end      func()
}

// CaddyModule returns the Caddy module information.
func (*API) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_api", New: func() caddy.Module { return new(API) }}
}

// Provision finds the app and its roles.
func (h *API) Provision(ctx caddy.Context) error {
	app, err := core.AppOf(ctx)
	if err != nil {
		return err
	}
	c := app.Core()
	h.core = c
	h.identity.user = newIdentityText(cmp.Or(h.User, "{http.auth.user.id}"))
	h.identity.groups = newIdentityText(h.Groups)
	for _, text := range h.TrustedProxies {
		ranges, err := caddyhttp.CIDRExpressionToPrefix(text)
		if err != nil {
			return fmt.Errorf("livy_api: trusted_proxies: %w", err)
		}
		h.identity.trusted = append(h.identity.trusted, ranges)
	}
	if app.AccessPolicy() == nil {
		ctx.Logger().Warn("livy_api without roles: every user who is logged in has full access; see docs/access.md")
	}
	h.ended = make(chan struct{})
	h.end = sync.OnceFunc(func() { close(h.ended) })
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		server.RegisterOnShutdown(h.end) // the shutdown waits for requests to end
	}
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.API.WriteError(w, r, h.identity.of(r).Origin,
			gateway.Errorf(gateway.KindForbidden, "this change was requested by a web page of another origin"))
	}))
	h.handler = sameOrigin.Handler(c.API.HandlerFor(api.Surface{
		Caller: h.identity.of, Policy: app.AccessPolicy(), SelfService: app.SelfService(),
		Ended: func() <-chan struct{} { return h.ended },
	}))
	return nil
}

// Cleanup ends the event streams of this configuration.
func (h *API) Cleanup() error {
	if h.end != nil {
		h.end()
	}
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
	o := h.identity.of(r).Origin
	if o.Actor == "" {
		o.Actor = core.UnknownActor
		err := errNobody
		if h.identity.user.sent {
			err = errNoTrustedUser
		}
		h.core.API.WriteError(w, r, o, err)
		return nil
	}
	h.handler.ServeHTTP(w, r)
	return nil
}

var errNobody = gateway.Errorf(gateway.KindUnauthorized,
	"nobody is logged in: livy_api requires an authentication handler before it in this site that sets "+
		"{http.auth.user.id}, such as basic_auth or forward_auth")

var errNoTrustedUser = gateway.Errorf(gateway.KindUnauthorized,
	"nobody is logged in: the user is read from the request, which counts only if it comes from an address in livy_api's trusted_proxies, or else in Caddy's, and only if the header is there once")

// parseAPI parses the directive
//
//	livy_api [<matcher>] {
//	    user            <text>
//	    groups          <text>
//	    trusted_proxies <range>...
//	}
//
// where private_ranges means all private ranges.
func parseAPI(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // livy_api
	if h.NextArg() {
		return nil, h.ArgErr()
	}
	api := new(API)
	given := make(map[string]bool)
	for h.NextBlock(0) {
		option := h.Val()
		if given[option] {
			return nil, h.Errf("option %q of livy_api is given twice", option)
		}
		given[option] = true
		var err error
		switch option {
		case "user":
			err = directive.Text(h.Dispenser, &api.User)
		case "groups":
			err = directive.Text(h.Dispenser, &api.Groups)
		case "trusted_proxies":
			err = directive.Append(h.Dispenser, &api.TrustedProxies)
		default:
			err = h.Errf("unknown option %q of livy_api", option)
		}
		if err != nil {
			return nil, err
		}
	}
	if i := slices.Index(api.TrustedProxies, "private_ranges"); i >= 0 {
		api.TrustedProxies = slices.Replace(api.TrustedProxies, i, i+1, caddyhttp.PrivateRangesCIDR()...)
	}
	return api, nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*API)(nil)
	_ caddy.CleanerUpper          = (*API)(nil)
	_ caddyhttp.MiddlewareHandler = (*API)(nil)
)
