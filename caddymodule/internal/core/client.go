package core

import (
	"net"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// ClientAddr returns the client's address according to Caddy's trusted_proxies settings.
func ClientAddr(r *http.Request) string {
	if ip, ok := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string); ok && ip != "" {
		return ip
	}
	return r.RemoteAddr
}

// FromTrustedProxy reports whether a request came from a proxy that trusted_proxies names.
func FromTrustedProxy(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

// HostOf returns the host of host:port.
func HostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// Replacer returns the request's placeholders, or nil outside of Caddy's server.
func Replacer(r *http.Request) *caddy.Replacer {
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	return repl
}

// User returns the user of a request, whom an authentication handler or a token identified.
func User(r *http.Request) string {
	repl := Replacer(r)
	if repl == nil {
		return ""
	}
	user, _ := repl.GetString("http.auth.user.id")
	return user
}

// UnknownActor is the actor in the audit log if there is no valid token or user. SurfaceLivy
// stands for sites with the livy_gateway directive.
const (
	UnknownActor = "unknown"
	SurfaceLivy  = "livy"
)
