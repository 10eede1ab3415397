// Package livyconsole has the handler that serves the web console on a site of Caddy's.
package livyconsole

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	// The other directives take their places first, so that livy_api comes before the console.
	_ "github.com/livygateway/livygateway/caddymodule"

	"github.com/livygateway/livygateway/internal/console"
)

func init() {
	caddy.RegisterModule(new(Console))
	httpcaddyfile.RegisterHandlerDirective("livy_console", parse)
	httpcaddyfile.RegisterDirectiveOrder("livy_console", httpcaddyfile.Before, "respond")
}

// Console is the handler that serves the web console at the root of a site. It stands beside
// `livy_api`, which the page is a client of, behind an authentication of Caddy's such as
// `basic_auth` or `forward_auth`; a request without a user (`{http.auth.user.id}`) is
// answered 401. Paths that are not the console's go on to the next handler.
//
// Keep it off the hosts of `livy_gateway` and `livy_spark_ui`: pages of Spark UIs are
// written by users' code, and would run in the origin of the console.
type Console struct {
	files *console.Handler
}

// CaddyModule returns the Caddy module information.
func (*Console) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_console", New: func() caddy.Module { return new(Console) }}
}

// Provision reads the console's files.
func (c *Console) Provision(caddy.Context) error {
	c.files = console.New()
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
		user, _ = repl.GetString("http.auth.user.id")
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
//	livy_console [<matcher>]
func parse(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // livy_console
	if h.NextArg() {
		return nil, h.ArgErr()
	}
	if h.NextBlock(0) {
		return nil, h.Errf("livy_console has no options (got %q)", h.Val())
	}
	return new(Console), nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Console)(nil)
	_ caddyhttp.MiddlewareHandler = (*Console)(nil)
)
