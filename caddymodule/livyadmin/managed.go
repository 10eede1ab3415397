package livyadmin

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/managedapi"
)

func init() {
	caddy.RegisterModule(new(ManagedAPI))
	httpcaddyfile.RegisterHandlerDirective("livy_managed_api", parseManagedAPI)
}

// ManagedAPI is the handler that serves the control plane of the managed product (OpenAPI
// 2023-08-08) to the SDKs of that product: the operations on Livy gateways and their tokens.
// Requests are signed with access keys of this gateway, or carry a token with the scope `admin`.
// Requests that are not meant for this API go on to the next handler.
type ManagedAPI struct {
	// The names of workspaces by their ids in the managed product, e.g. `w-1234567890abcdef`.
	// Default: the id of a workspace is its name.
	Workspaces map[string]string `json:"workspaces,omitempty"`

	// The region ids that requests may name. Default: any.
	Regions []string `json:"regions,omitempty"`

	// The release versions of the managed product and the engines that they stand for.
	// Default: an engine is named as in `spark-3.5 (Spark 3.5.8, Scala 2.12)`.
	Releases []ManagedRelease `json:"releases,omitempty"`

	// The public address of the gateways, a host with an optional port. Default: the host that
	// the request names.
	Endpoint string `json:"endpoint,omitempty"`

	// The internal address of the gateways, a host with an optional port. Default: the host
	// that the request names.
	EndpointInner string `json:"endpoint_inner,omitempty"`

	server    *managedapi.Server
	accessLog *core.AccessLog
}

// ManagedRelease is a release version of the managed product.
type ManagedRelease struct {
	// The release version as clients send it in `displayReleaseVersion`, e.g. `esr-4.3.0 (Spark
	// 3.5.2, Scala 2.12)`.
	Version string `json:"version"`
	// The engine that gateways with this release version get.
	Engine string `json:"engine"`
}

// CaddyModule returns the Caddy module information.
func (*ManagedAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_managed_api", New: func() caddy.Module { return new(ManagedAPI) }}
}

// Provision sets up the handler.
func (h *ManagedAPI) Provision(ctx caddy.Context) error {
	app, err := core.AppOf(ctx)
	if err != nil {
		return err
	}
	settings := managedapi.Settings{
		Workspaces: h.Workspaces, Regions: h.Regions, Endpoint: h.Endpoint, EndpointInner: h.EndpointInner,
		SelfService: app.SelfService(),
	}
	for id, name := range h.Workspaces {
		if id == access.Everywhere || id == "" {
			return fmt.Errorf("livy_managed_api: workspace: %q is not the id of a workspace", id)
		}
		if err := gateway.ValidateName("workspace "+id, name); err != nil {
			return fmt.Errorf("livy_managed_api: %w", err)
		}
	}
	for _, r := range h.Releases {
		if r.Version == "" || r.Engine == "" {
			return fmt.Errorf("livy_managed_api: release: version and engine are required")
		}
		settings.Releases = append(settings.Releases, managedapi.Release{Version: r.Version, Engine: r.Engine})
	}
	h.server = managedapi.New(app.Core().API, settings)
	h.accessLog = core.NewAccessLog(ctx)
	return nil
}

// ServeHTTP answers requests for the API.
func (h *ManagedAPI) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !managedapi.Claims(r) {
		return next.ServeHTTP(w, r)
	}
	defer h.accessLog.Take(w, r)()
	arrived := managedapi.Arrived{
		URI: r.RequestURI, Host: r.Host, HTTPS: r.TLS != nil, Address: core.HostOf(core.ClientAddr(r)),
	}
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		arrived.URI = original.RequestURI // before rewrites
	}
	if core.FromTrustedProxy(r) && r.Header.Get("X-Forwarded-Proto") == "https" {
		arrived.HTTPS = true
	}
	h.server.Serve(w, r, arrived)
	return nil
}

// parseManagedAPI parses the directive
//
//	livy_managed_api [<matcher>] {
//	    workspace      <id> <workspace>
//	    region         <id>...
//	    release        <version> <engine>
//	    endpoint       <host>
//	    endpoint_inner <host>
//	}
func parseManagedAPI(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // livy_managed_api
	if h.NextArg() {
		return nil, h.ArgErr()
	}
	api := new(ManagedAPI)
	for h.NextBlock(0) {
		option := h.Val()
		var err error
		switch option {
		case "workspace":
			var id, name string
			if !h.AllArgs(&id, &name) {
				return nil, h.ArgErr()
			}
			if _, twice := api.Workspaces[id]; twice {
				return nil, h.Errf("workspace %q of livy_managed_api is given twice", id)
			}
			if api.Workspaces == nil {
				api.Workspaces = make(map[string]string)
			}
			api.Workspaces[id] = name
		case "region":
			err = directive.Append(h.Dispenser, &api.Regions)
		case "release":
			var r ManagedRelease
			if !h.AllArgs(&r.Version, &r.Engine) {
				return nil, h.ArgErr()
			}
			api.Releases = append(api.Releases, r)
		case "endpoint":
			err = once(h, &api.Endpoint)
		case "endpoint_inner":
			err = once(h, &api.EndpointInner)
		default:
			err = h.Errf("unknown option %q of livy_managed_api", option)
		}
		if err != nil {
			return nil, err
		}
	}
	return api, nil
}

// once parses an option that may be given once.
func once(h httpcaddyfile.Helper, target *string) error {
	if *target != "" {
		return h.Errf("option %q of livy_managed_api is given twice", h.Val())
	}
	return directive.Text(h.Dispenser, target)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*ManagedAPI)(nil)
	_ caddyhttp.MiddlewareHandler = (*ManagedAPI)(nil)
)
