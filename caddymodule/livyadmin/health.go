package livyadmin

import (
	"encoding/json"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/api"
)

func init() {
	caddy.RegisterModule(new(Health))
	httpcaddyfile.RegisterHandlerDirective("livy_health", parseHealth)
}

// Health is the handler that tells load balancers whether this instance is ready: it replies with
// 200 if it is, and with 503 if Redis or the runtime cannot be reached, or if the gateways have
// not been read yet. It requires no login, so the reply only names the parts that are missing;
// `/v1/health` of the management API has the details.
type Health struct {
	core *core.Core
}

// CaddyModule returns the Caddy module information.
func (*Health) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_health", New: func() caddy.Module { return new(Health) }}
}

// Provision sets up the handler.
func (h *Health) Provision(ctx caddy.Context) (err error) {
	h.core, err = core.Of(ctx)
	return err
}

// ServeHTTP answers all requests.
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	health := h.core.Manager.Health(r.Context())
	answer := struct {
		Live    bool     `json:"live"`
		Ready   bool     `json:"ready"`
		Missing []string `json:"missing"`
	}{health.Live, health.Ready, []string{}}
	for _, reason := range health.Reasons {
		answer.Missing = append(answer.Missing, reason.Part)
	}
	api.Harden(w.Header())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(api.HealthStatus(health))
	_ = json.NewEncoder(w).Encode(answer)
	return nil
}

// parseHealth parses the directive
//
//	livy_health <path>
//
// which also accepts any other matcher, as all handler directives do.
func parseHealth(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // livy_health
	if h.NextArg() {
		return nil, h.ArgErr()
	}
	if h.NextBlock(0) {
		return nil, h.Errf("livy_health has no options (got %q)", h.Val())
	}
	return new(Health), nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Health)(nil)
	_ caddyhttp.MiddlewareHandler = (*Health)(nil)
)
