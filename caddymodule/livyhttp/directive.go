package livyhttp

import (
	"encoding/json"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/caddymodule/sparkui"
)

func init() {
	httpcaddyfile.RegisterDirective("livy_gateway", parseGateway)
}

// parseGateway expands the directive
//
//	livy_gateway [<matcher>] [<name>] {
//	    workspace <name>
//	    public
//	    endpoint <url>
//	    direct off
//	}
//
// (each line is optional) into the handlers of a gateway, beginning with the one for Spark UIs and
// ending with Caddy's reverse_proxy.
func parseGateway(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next() // livy_gateway
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	g := new(Gateway)
	if err := g.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	ui := &sparkui.SparkUI{Gateway: g.Gateway, Workspace: g.Workspace, Public: g.Public, BesideGateway: true}
	handlers := []json.RawMessage{
		caddyconfig.JSONModuleObject(ui, "handler", "livy_spark_ui", nil),
		caddyconfig.JSONModuleObject(g, "handler", "livy_gateway", nil),
		caddyconfig.JSONModuleObject(new(Token), "handler", "livy_token", nil),
		caddyconfig.JSONModuleObject(new(Policy), "handler", "livy_policy", nil),
		caddyconfig.JSONModuleObject(new(Record), "handler", "livy_record", nil),
	}
	if !g.proxied {
		handlers = append(handlers, caddyconfig.JSONModuleObject(new(Direct), "handler", "livy_direct", nil))
	}
	handlers = append(handlers, caddyconfig.JSONModuleObject(proxy(), "handler", "reverse_proxy", nil))
	route := caddyhttp.Route{HandlersRaw: handlers}
	if matcher != nil {
		route.MatcherSetsRaw = []caddy.ModuleMap{matcher}
	}
	return []httpcaddyfile.ConfigValue{{Class: "route", Value: route}}, nil
}

// UnmarshalCaddyfile parses the arguments and the block of the directive.
func (h *Gateway) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Reset()
	d.Next() // livy_gateway
	args := d.RemainingArgs()
	switch len(args) {
	case 0:
	case 1:
		if args[0] == "" { // it would stand for all gateways
			return directive.Empty(d, "livy_gateway")
		}
		h.Gateway = args[0]
	default:
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		switch d.Val() {
		case "workspace":
			if err := directive.Text(d, &h.Workspace); err != nil {
				return err
			}
		case "public":
			if d.NextArg() {
				return d.ArgErr()
			}
			h.Public = true
		case "endpoint":
			if err := directive.Text(d, &h.Endpoint); err != nil {
				return err
			}
		case "direct":
			args := d.RemainingArgs()
			if len(args) != 1 || !slices.Contains([]string{"on", "off"}, args[0]) {
				return d.Err("direct must be on or off")
			}
			h.proxied = args[0] == "off"
		default:
			return d.Errf("unknown option %q", d.Val())
		}
	}
	if h.Workspace != "" && h.Gateway == "" {
		return d.Err("workspace needs a gateway name: without one, the path names both")
	}
	return nil
}

// proxy returns Caddy's reverse_proxy to Livy servers.
func proxy() *reverseproxy.Handler {
	return &reverseproxy.Handler{
		TransportRaw:        caddyconfig.JSONModuleObject(new(Transport), "protocol", "livy", nil),
		DynamicUpstreamsRaw: caddyconfig.JSONModuleObject(new(Upstreams), "source", "livy", nil),
	}
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Gateway)(nil)
