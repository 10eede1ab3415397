package livyhttp

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

func init() {
	caddy.RegisterModule(new(Gateway))
}

// Gateway is the first handler of the `livy_gateway` directive. It finds the
// gateway that a request is meant for, reads the request line strictly against
// the routes of Livy's REST API, and answers every refusal and failure of the
// handlers after it as JSON, in the way that Livy clients understand.
//
// It is followed by `livy_token`, `livy_policy`, `livy_record` and Caddy's
// `reverse_proxy` with the dynamic upstream source `livy`; the directive puts
// all of them in place.
//
// What a site's error routes (`handle_errors`) do not answer is answered as JSON.
//
// It sets these placeholders. They are empty where there is no such thing, and as long as it
// is not known:
//
// Placeholder | Description
// ------------|---------------
// `{http.livy.gateway}` | The name of the gateway
// `{http.livy.workspace}` | The gateway's workspace
// `{http.livy.route}` | The route of Livy's API, e.g. `session.statement.create`
// `{http.livy.token.id}` | The id of the request's token, once it was verified
// `{http.livy.token.name}` | The token's name
// `{http.livy.session}` | The public id of the session or batch in the path; of a create, of the one that was created
type Gateway struct {
	// The name or id of the one gateway of this host. Default: all gateways are
	// reached at `/api/v1/workspace/{workspace}/livycompute/{name or id}`.
	Gateway string `json:"gateway,omitempty"`

	// The workspace of that gateway. Default: `default`.
	Workspace string `json:"workspace,omitempty"`

	// Whether this is a public endpoint: it serves only gateways that are public
	// and answers for all others as if they did not exist.
	Public bool `json:"public,omitempty"`

	core   *core.Core
	access *core.AccessLog

	failures *core.Failures
	endpoint core.Endpoint
}

// CaddyModule returns the Caddy module information.
func (*Gateway) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_gateway", New: func() caddy.Module { return new(Gateway) }}
}

// Provision finds the app.
func (h *Gateway) Provision(ctx caddy.Context) error {
	h.access, h.failures = core.NewAccessLog(ctx), core.NewFailures(ctx)
	h.endpoint = core.Endpoint{Gateway: h.Gateway, Workspace: h.Workspace, Public: h.Public}
	var err error
	h.core, err = core.Of(ctx)
	return err
}

// ServeHTTP resolves, matches, and answers failures.
func (h *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	defer h.access.Take(w, r)()
	api.Harden(w.Header())
	awake, err := h.core.Manager.Awake(r.Context())
	if err != nil {
		h.failures.Answer(w, r, err)
		return nil
	}
	c, err := h.resolve(r)
	if err == nil {
		c.awake = awake
		caddyhttp.SetVar(r.Context(), callVar, c)
		if repl := core.Replacer(r); repl != nil {
			repl.Map(c.placeholder)
		}
		err = next.ServeHTTP(w, r)
	}
	if err != nil && answerRemembered(w, c, err) {
		return nil
	}
	if err != nil {
		h.noteRefusal(r, c, err)
		h.failures.Answer(w, r, err)
	}
	return nil
}

// resolve finds the gateway and the route.
func (h *Gateway) resolve(r *http.Request) (*call, error) {
	e, prefix, path, err := h.endpoint.Find(h.core.Manager, r)
	if err != nil {
		return nil, err
	}
	req, err := livy.Match(r.Method, path, r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	return &call{core: h.core, entry: e, req: req, prefix: prefix, createdID: -1}, nil
}

// answerRemembered answers a request for a batch that succeeded and that Livy has forgotten
// since, as Livy did while it knew the batch. It reports false for all other errors.
func answerRemembered(w http.ResponseWriter, c *call, err error) bool {
	ended, ok := errors.AsType[*sessions.Ended](err)
	if !ok || c == nil || c.req.Sub >= 0 {
		return false
	}
	body, ok := ended.Reply(c.req.Route.Name)
	if !ok {
		return false
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	writeWhole(w, w.Header(), http.StatusOK, body)
	return true
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Gateway)(nil)
	_ caddyhttp.MiddlewareHandler = (*Gateway)(nil)
)
