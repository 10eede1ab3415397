package livyhttp

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/tokens"
)

func init() {
	caddy.RegisterModule(new(Token))
}

// Token is the handler that requires a valid token of the gateway, in the header
// `x-acs-spark-livy-token`, as `Authorization: Bearer`, or as the password of Basic
// authentication. It sets the placeholder `{http.auth.user.id}` to the id of the token, which
// access logs then show as `user_id`; the secret is never logged. The token is removed from the
// request. A Basic login is only passed on if livy.conf enables LDAP and the token is in its
// header.
//
// If Redis cannot be reached, requests get 503 with Retry-After, except for reads with a token
// that was verified a short time before (the option `grace`).
type Token struct {
	core *core.Core
}

// CaddyModule returns the Caddy module information.
func (*Token) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_token", New: func() caddy.Module { return new(Token) }}
}

// Provision sets up the handler.
func (h *Token) Provision(ctx caddy.Context) (err error) {
	h.core, err = core.Of(ctx)
	return err
}

// ServeHTTP verifies the token.
func (h *Token) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	c, err := callOf(r)
	if err != nil {
		return err
	}
	_, span := c.span(r.Context(), "livy.token")
	err = h.verify(r, c)
	end(span, err)
	if err != nil {
		return err
	}
	c.describe(r.Context())
	return next.ServeHTTP(w, r)
}

// userPlaceholder is the name of the placeholder for the user, as in Caddy's own handlers.
const userPlaceholder = "http.auth.user.id"

// verify sets the request's token, and removes it from the request.
func (h *Token) verify(r *http.Request, c *call) error {
	repl, others := core.Replacer(r), false
	if repl != nil {
		_, others = repl.Get(userPlaceholder)
	}
	presented, basicUsed, err := tokens.FromRequest(r.Header)
	if err != nil {
		return err
	}
	c.token, err = h.core.Tokens.Verify(r.Context(), c.entry.Gateway.ID, presented, tokens.Attempt{
		Method: c.req.Method, RemoteAddr: core.ClientAddr(r), UserAgent: r.UserAgent(),
	})
	if err != nil {
		return err
	}
	if err := c.token.Allows(access(c.req.Route)); err != nil {
		return err
	}
	c.keepLogin = c.entry.LDAP && !basicUsed
	tokens.Strip(r.Header, c.keepLogin)
	if others { // instead of the user whom another handler found; otherwise see placeholder
		repl.Set(userPlaceholder, c.token.ID)
	}
	return nil
}

// access returns the access that a route requires.
func access(r *livy.Route) tokens.Access {
	a := tokens.AccessWrite
	if r.Method == http.MethodGet {
		a = tokens.AccessRead
	}
	switch r.Kind {
	case livy.KindSession:
		a |= tokens.AccessSessions
	case livy.KindBatch:
		a |= tokens.AccessBatches
	}
	return a
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Token)(nil)
	_ caddyhttp.MiddlewareHandler = (*Token)(nil)
)
