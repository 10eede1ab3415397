// Package livyconsole has the handler that serves the web console on a site of Caddy's.
package livyconsole

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/console"
)

func init() {
	caddy.RegisterModule(new(Console))
	httpcaddyfile.RegisterHandlerDirective("livy_console", parse)
}

// Console is the handler that serves the web console at the root of a site. It stands beside
// `livy_api`, which the page is a client of, behind an authentication of Caddy's such as
// `basic_auth` or `forward_auth`; a request without a user is answered 401. There are no
// data in the page: what somebody may see and do, `livy_api` decides. Paths that are not
// the console's go on to the next handler.
//
// Keep it off the hosts of `livy_gateway` and `livy_spark_ui`: pages of Spark UIs are
// written by users' code, and would run in the origin of the console.
type Console struct {
	// The address of the site with `livy_gateway`, e.g. `https://livy.example.com`. The page
	// shows gateways' endpoints with it. Default: people say it in the page.
	Endpoint string `json:"endpoint,omitempty"`

	// The user, as a text with placeholders; the page is served to whoever has one. Where
	// `livy_api` has its option `user`, this is the same. Default: `{http.auth.user.id}`.
	User string `json:"user,omitempty"`

	// The address of a site with `livy_gateway` that is public. Default: none is shown.
	PublicEndpoint string `json:"public_endpoint,omitempty"`

	files *console.Handler
}

// CaddyModule returns the Caddy module information.
func (*Console) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_console", New: func() caddy.Module { return new(Console) }}
}

// Provision reads the options.
func (c *Console) Provision(caddy.Context) error {
	repl := caddy.NewReplacer()
	for name, address := range map[string]*string{"endpoint": &c.Endpoint, "public_endpoint": &c.PublicEndpoint} {
		*address = strings.TrimRight(repl.ReplaceAll(*address, ""), "/")
		if err := directive.CheckAddress(*address); err != nil {
			return fmt.Errorf("livy_console: %s: %w", name, err)
		}
	}
	c.files = console.New(console.Options{Endpoint: c.Endpoint, PublicEndpoint: c.PublicEndpoint})
	return nil
}

const nobody = "nobody is logged in: the livy_console directive needs an authentication of Caddy's before it " +
	"in this site, such as basic_auth or forward_auth, that sets {http.auth.user.id}"

// ServeHTTP serves the console to users that are logged in.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !c.files.Serves(r.URL.Path) {
		return next.ServeHTTP(w, r)
	}
	user := ""
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		user = repl.ReplaceAll(cmp.Or(c.User, "{http.auth.user.id}"), "")
	}
	if user == "" {
		console.Harden(w.Header())
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintln(w, nobody)
		return nil
	}
	c.files.ServeHTTP(w, r)
	return nil
}

// parse reads the directive
//
//	livy_console [<matcher>] {
//		endpoint        <url>
//		public_endpoint <url>
//		user            <text>
//	}
func parse(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // livy_console
	if h.NextArg() {
		return nil, h.ArgErr()
	}
	c := new(Console)
	for h.NextBlock(0) {
		into := map[string]*string{"endpoint": &c.Endpoint, "public_endpoint": &c.PublicEndpoint, "user": &c.User}[h.Val()]
		if into == nil {
			return nil, h.Errf("livy_console has the options endpoint, public_endpoint and user (got %q)", h.Val())
		}
		if !h.AllArgs(into) {
			return nil, h.ArgErr()
		}
	}
	return c, nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Console)(nil)
	_ caddyhttp.MiddlewareHandler = (*Console)(nil)
)
