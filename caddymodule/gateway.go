package caddymodule

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/policies"
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
type Gateway struct {
	// The name or id of the one gateway of this host. Default: all gateways are
	// reached at `/api/v1/workspace/{workspace}/livycompute/{name or id}`.
	Gateway string `json:"gateway,omitempty"`

	// The workspace of that gateway. Default: `default`.
	Workspace string `json:"workspace,omitempty"`

	// Whether this is a public endpoint: it serves only gateways that are public
	// and answers for all others as if they did not exist.
	Public bool `json:"public,omitempty"`

	core   *core
	log    *zap.Logger
	access *accessLog
	// uiSite says that this is the inside of livy_spark_ui.
	uiSite bool
}

// CaddyModule returns the Caddy module information.
func (*Gateway) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_gateway", New: func() caddy.Module { return new(Gateway) }}
}

// Provision finds the app.
func (h *Gateway) Provision(ctx caddy.Context) error {
	h.log = ctx.Logger()
	h.access = newAccessLog(ctx)
	if h.Workspace == "" {
		h.Workspace = gateway.DefaultWorkspace
	}
	var err error
	h.core, err = coreOf(ctx)
	return err
}

// appOf returns the app of the configuration that is being provisioned.
func appOf(ctx caddy.Context) (*App, error) {
	app, err := ctx.App("livy")
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

// coreOf returns the core of the configuration that is being provisioned.
func coreOf(ctx caddy.Context) (*core, error) {
	app, err := appOf(ctx)
	if err != nil {
		return nil, err
	}
	return app.core, nil
}

// call is what the handlers of one request tell each other.
type call struct {
	core  *core
	entry *control.Entry
	// awake is the manager's word that this process has not been halted since.
	awake int64
	req   livy.Request
	// prefix is the public path before Livy's own, without a trailing slash.
	prefix string
	token  *tokens.Token
	// keepLogin says that a Basic login is for Livy's LDAP.
	keepLogin bool
	// created is set for create requests that passed the policy.
	created *policies.Result
	// repeat is set for create requests that may be sent again.
	repeat *sessions.Repeat
	// page is what a client asked for of a list that is filtered.
	page *livy.Query
	// unsent says that nothing was sent to Livy.
	unsent bool
	// refused is why the request is refused, for the audit, where it was the
	// gateway's rules that refused it.
	refused string
}

const callVar = "livy_call"

// callOf returns the request's call; the handlers after Gateway rely on it.
func callOf(r *http.Request) (*call, error) {
	c, ok := caddyhttp.GetVar(r.Context(), callVar).(*call)
	if !ok {
		return nil, errors.New("this handler must come after livy_gateway")
	}
	return c, nil
}

// ServeHTTP resolves, matches, and answers failures.
func (h *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.access != nil {
		defer h.access.take(w, r)()
	}
	api.Harden(w.Header())
	awake, err := h.core.manager.Awake(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return nil
	}
	if done, err := h.serveSparkUI(w, r); done {
		if err != nil {
			h.fail(w, r, err)
		}
		return nil
	}
	c, err := h.resolve(r)
	if err == nil {
		c.core, c.awake = h.core, awake
		caddyhttp.SetVar(r.Context(), callVar, c)
		err = next.ServeHTTP(w, r)
	}
	if err != nil {
		h.noteRefusal(r, c, err)
		h.fail(w, r, err)
	}
	return nil
}

var errNoEndpoint = gateway.Errorf(gateway.KindNotFound,
	"no gateway at this path: it must be "+gateway.EndpointPrefix+"{workspace}/"+gateway.EndpointMiddle+"/{gateway}/...")

func (h *Gateway) resolve(r *http.Request) (*call, error) {
	e, prefix, path, err := h.endpoint(r)
	if err != nil {
		return nil, err
	}
	req, err := livy.Match(r.Method, path, r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	return &call{entry: e, req: req, prefix: prefix}, nil
}

// endpoint finds the gateway that a request is meant for, the public path before
// Livy's own, and that one.
func (h *Gateway) endpoint(r *http.Request) (e *control.Entry, prefix, path string, err error) {
	path = r.URL.EscapedPath()
	workspace, name := h.Workspace, h.Gateway
	if name == "" {
		rest, ok := strings.CutPrefix(path, gateway.EndpointPrefix)
		if !ok {
			return nil, "", "", errNoEndpoint
		}
		var middle string
		workspace, rest, _ = strings.Cut(rest, "/")
		middle, rest, _ = strings.Cut(rest, "/")
		name, _, _ = strings.Cut(rest, "/")
		if middle != gateway.EndpointMiddle || name == "" {
			return nil, "", "", errNoEndpoint
		}
		prefix = path[:len(gateway.EndpointPrefix)+len(workspace)+1+len(middle)+1+len(name)]
		path = path[len(prefix):]
	}
	if e, err = h.core.manager.Lookup(workspace, name); err != nil {
		return nil, "", "", err
	}
	if h.Public && !e.Gateway.Spec.Public {
		return nil, "", "", gateway.Errorf(gateway.KindNotFound, "no gateway %q in workspace %q", name, workspace)
	}
	if path == "" {
		path = "/"
	}
	return e, prefix, path, nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Gateway)(nil)
	_ caddyhttp.MiddlewareHandler = (*Gateway)(nil)
)
