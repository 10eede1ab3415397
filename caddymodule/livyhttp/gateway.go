package livyhttp

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

func init() {
	caddy.RegisterModule(new(Gateway))
}

// Gateway is the first handler of the `livy_gateway` directive. It finds the gateway of a
// request, matches the request line strictly against the routes of Livy's REST API, and answers
// all errors of the handlers after it in the JSON format that Livy clients understand.
//
// It must be followed by `livy_token`, `livy_policy`, `livy_record` and Caddy's `reverse_proxy`
// with the dynamic upstream source `livy`; `livy_direct` before the last one is optional. The
// directive sets up all of them.
//
// If the site has error routes (`handle_errors`), these are asked first. JSON is sent if none of
// them writes a reply.
//
// It sets these placeholders. A placeholder without a value, or whose value is not known yet, is
// empty:
//
// Placeholder | Description
// ------------|---------------
// `{http.livy.gateway}` | The name of the gateway
// `{http.livy.workspace}` | The gateway's workspace
// `{http.livy.route}` | The route of Livy's API, e.g. `session.statement.create`
// `{http.livy.token.id}` | The id of the request's token, once it has been verified
// `{http.livy.token.name}` | The token's name
// `{http.livy.session}` | The public id of the session or batch in the path, or of the new one
type Gateway struct {
	// The name or id of the only gateway of this site. Default: all gateways are served, at
	// `/api/v1/workspace/{workspace}/livycompute/{name or id}`.
	Gateway string `json:"gateway,omitempty"`

	// The workspace of that gateway. Default: `default`.
	Workspace string `json:"workspace,omitempty"`

	// Whether this is a public endpoint. It then serves only gateways that are public, and
	// replies for all others as if they did not exist.
	Public bool `json:"public,omitempty"`

	// The address at which clients reach this site, e.g. `https://livy.example.com`, if a proxy in
	// front of Caddy gives it another one, or if it has no host name. It is shown as the endpoint
	// of gateways, without effect on requests. Default: the host, port and stripped path prefix of
	// the site.
	Endpoint string `json:"endpoint,omitempty"`

	proxied bool // for the directive: without livy_direct

	core   *core.Core
	access *core.AccessLog

	failures *core.Failures
	serves   core.Endpoint
}

// CaddyModule returns the Caddy module information.
func (*Gateway) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_gateway", New: func() caddy.Module { return new(Gateway) }}
}

// Provision sets up the handler.
func (h *Gateway) Provision(ctx caddy.Context) error {
	h.access, h.failures = core.NewAccessLog(ctx), core.NewFailures(ctx)
	h.serves = core.Endpoint{Gateway: h.Gateway, Workspace: h.Workspace, Public: h.Public}
	h.Endpoint = strings.TrimRight(caddy.NewReplacer().ReplaceAll(h.Endpoint, ""), "/")
	err := directive.CheckAddress(h.Endpoint)
	if err != nil {
		return fmt.Errorf("livy_gateway: endpoint: %w", err)
	}
	h.core, err = core.Of(ctx)
	return err
}

// Serves returns the gateways of this site, and its address if that is set.
func (h *Gateway) Serves() (e *core.Endpoint, address string) { return &h.serves, h.Endpoint }

// ServeHTTP finds the gateway and the route, and answers errors of the handlers after it.
func (h *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	began := time.Now()
	defer h.access.Take(w, r)()
	awake, err := h.core.Manager.Awake(r.Context())
	if err != nil {
		h.stray(w, r, nil, err)
		return nil
	}
	c, e, err := h.resolve(r)
	if err != nil {
		h.stray(w, r, e, err)
		return nil
	}
	c.head.harden(w.Header())
	c.awake, c.began = awake, began
	defer c.count()
	c.trace(r.Context())
	caddyhttp.SetVar(r.Context(), callVar, c)
	if repl := core.Replacer(r); repl != nil {
		repl.Map(c.placeholder)
	}
	err = next.ServeHTTP(w, r)
	switch {
	case err == nil:
	case answerRemembered(w, r, c, err):
		c.status = http.StatusOK
	default:
		h.noteRefusal(r, c, err)
		c.status, c.err = h.failures.Answer(w, r, err, c.about()...), err
	}
	c.answered = true
	return nil
}

// stray answers a request that matches no gateway, or no route of the one it found.
func (h *Gateway) stray(w http.ResponseWriter, r *http.Request, e *control.Entry, err error) {
	api.Harden(w.Header())
	ref := ""
	if e != nil {
		ref = e.Ref
	}
	core.CountStray(ref, h.failures.Answer(w, r, err), err)
}

// resolve returns the call of a request, with its gateway and route. The gateway is also returned
// if only the route is unknown.
func (h *Gateway) resolve(r *http.Request) (*call, *control.Entry, error) {
	e, prefix, path, err := h.serves.Find(h.core.Manager, r)
	if err != nil {
		return nil, nil, err
	}
	req, err := livy.Match(r.Method, path, r.URL.RawQuery)
	if err != nil {
		return nil, e, err
	}
	if req.ID >= 0 {
		e = e.Holding(req.Route.Kind, req.ID)
	}
	c := new(call)
	c.core, c.entry, c.req, c.prefix, c.createdID = h.core, e, req, prefix, -1
	return c, e, nil
}

// answerRemembered answers a request for a batch that succeeded and that Livy has forgotten
// since, as Livy did while it knew the batch. It reports false for all other errors.
func answerRemembered(w http.ResponseWriter, r *http.Request, c *call, err error) bool {
	ended, ok := errors.AsType[*sessions.EndedError](err)
	if !ok || c == nil || c.req.Sub >= 0 {
		return false
	}
	body, ok := ended.Reply(c.req.Route.Name)
	if !ok {
		return false
	}
	if ended.SparkUI() && c.req.Route.Name == "batch.get" && c.core.Manager.History() != nil {
		var edit livy.Edit
		c.linkUI(r, ended.RecordID(), &edit)
		shown, err := livy.EditReply(c.req.Route, body, 0, func([]livy.Shown) []livy.Edit { return []livy.Edit{edit} })
		if err == nil {
			body = shown
		}
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	writeWhole(w, w.Header(), http.StatusOK, body)
	return true
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Gateway)(nil)
	_ caddyhttp.MiddlewareHandler = (*Gateway)(nil)
	_ core.Serving                = (*Gateway)(nil)
)
