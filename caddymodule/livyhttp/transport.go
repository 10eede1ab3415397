package livyhttp

import (
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/gateway"
)

func init() {
	caddy.RegisterModule(new(Transport))
}

// Transport is the transport for Caddy's `reverse_proxy` to Livy servers, together with the
// upstream source `livy`. Servers that the gateway starts are reached by plain HTTP. Those that
// somebody else runs are reached at the URL of their engine, with TLS, a path and the login that
// the engine has.
type Transport struct {
	plain reverseproxy.HTTPTransport
}

// CaddyModule returns the Caddy module information.
func (*Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.transport.livy", New: func() caddy.Module { return new(Transport) }}
}

// Provision sets up the transport. Only connecting has a time limit, since creates and statements
// of a starting session are answered late. Nothing is retried, since a create that is sent twice
// starts two sessions. Idle connections are closed before Livy closes them, after 30 seconds,
// since a create sent at that moment would fail. Replies are not compressed, because ids in them
// may have to be changed.
func (t *Transport) Provision(ctx caddy.Context) error {
	off := false
	t.plain = reverseproxy.HTTPTransport{
		DialTimeout: caddy.Duration(2 * time.Second),
		Compression: &off,
		KeepAlive: &reverseproxy.KeepAlive{
			MaxIdleConnsPerHost: 256,
			IdleConnTimeout:     caddy.Duration(20 * time.Second),
		},
	}
	return t.plain.Provision(ctx)
}

// RoundTrip sends a request to the Livy server of its gateway.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	c, err := callOf(r)
	if err != nil {
		return nil, err
	}
	defer c.limit.begun()
	return t.send(c.limit.limit(r), c)
}

func (t *Transport) send(r *http.Request, c *call) (*http.Response, error) {
	server, err := c.entry.Server()
	if err != nil {
		return nil, reverseproxy.NewDialError(err)
	}
	if server == nil {
		return t.plain.RoundTrip(r)
	}
	var connected atomic.Bool
	resp, err := server.Forward(r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})))
	if err != nil && !connected.Load() {
		return nil, reverseproxy.NewDialError(err) // nothing was sent
	}
	if err == nil && resp.StatusCode == http.StatusUnauthorized && server.LogsIn() {
		// The client's own token is good, and it must not be asked for another login.
		_ = resp.Body.Close()
		c.unsent = true
		return nil, gateway.Errorf(gateway.KindUnavailable, "the Livy server refuses the login that the gateway has for it")
	}
	return resp, err
}

// Cleanup closes idle connections.
func (t *Transport) Cleanup() error { return t.plain.Cleanup() }

// UnmarshalCaddyfile parses "transport livy", which has no options.
func (*Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { return directive.Options(d, nil) }

// Interface guards
var (
	_ caddy.Provisioner     = (*Transport)(nil)
	_ caddy.CleanerUpper    = (*Transport)(nil)
	_ http.RoundTripper     = (*Transport)(nil)
	_ caddyfile.Unmarshaler = (*Transport)(nil)
)
