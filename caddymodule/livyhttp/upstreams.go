package livyhttp

import (
	"context"
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/livy"
)

func init() {
	caddy.RegisterModule(new(Upstreams))
}

// Upstreams is the dynamic upstream source for Caddy's `reverse_proxy`: the Livy server of the
// gateway that the `livy_gateway` handler found. It can only be used after that handler.
type Upstreams struct{}

// CaddyModule returns the Caddy module information.
func (*Upstreams) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.upstreams.livy", New: func() caddy.Module { return new(Upstreams) }}
}

// GetUpstreams returns the Livy server. It uses the network only if this process was halted since
// the request arrived.
func (*Upstreams) GetUpstreams(r *http.Request) ([]*reverseproxy.Upstream, error) {
	c, err := callOf(r)
	if err != nil {
		return nil, err
	}
	to, err := c.destination(r.Context())
	if err != nil {
		return nil, err
	}
	return []*reverseproxy.Upstream{{Dial: to.address}}, nil
}

// destination is where a request is sent.
type destination struct {
	address string       // host:port
	server  *livy.Server // if somebody else runs it
}

// destination returns the gateway's Livy server.
func (c *call) destination(ctx context.Context) (to destination, err error) {
	if err := c.core.Manager.StillAwake(ctx, c.entry, c.awake); err != nil {
		c.unsent = true
		return to, err
	}
	to.server, err = c.entry.Server()
	switch {
	case err != nil:
		c.unsent = true
		return to, err
	case to.server != nil:
		to.address = to.server.HostPort()
	default:
		to.address = c.entry.Gateway.Status.Address
	}
	if to.address == "" {
		return to, errNoUpstream
	}
	return to, nil
}

var errNoUpstream = errors.New("no Livy server")

// UnmarshalCaddyfile parses "dynamic livy", which has no options.
func (*Upstreams) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { return directive.Options(d, nil) }

// Interface guards
var (
	_ reverseproxy.UpstreamSource = (*Upstreams)(nil)
	_ caddyfile.Unmarshaler       = (*Upstreams)(nil)
)
