package livyhttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/policies"
)

func init() {
	caddy.RegisterModule(new(Policy))
}

// Policy is the handler that applies the gateway's policy to requests. The body of a create is
// parsed strictly, blacklisted parameters are dropped, the values that the gateway forces are
// set, and the result is encoded anew: the client's bytes are never passed on. The reply headers
// `X-Livy-Gateway-Ignored` and `X-Livy-Gateway-Forced` name the parameters that were changed.
//
// The request line sent to Livy is built from the matched route. Headers that could change its
// meaning are removed.
type Policy struct {
	core *core.Core
	log  *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (*Policy) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_policy", New: func() caddy.Module { return new(Policy) }}
}

// Provision sets up the handler.
func (h *Policy) Provision(ctx caddy.Context) (err error) {
	h.log = ctx.Logger()
	h.core, err = core.Of(ctx)
	return err
}

// Reply headers that show a client what the policy did to its create request.
const (
	headerIgnored = "X-Livy-Gateway-Ignored"
	headerForced  = "X-Livy-Gateway-Forced"
)

// ServeHTTP applies the gateway's policy.
func (h *Policy) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	c, err := callOf(r)
	if err != nil {
		return err
	}
	if c.uses() {
		manager := h.core.Manager
		c.entry.Begin(manager.Now())
		defer func(e *control.Entry) { e.End(manager.Now()) }(c.entry)
	}
	defer c.endBegun()
	ctx, span := c.span(r.Context(), "livy.policy")
	err = h.apply(ctx, w, r, c)
	end(span, err)
	if err != nil {
		if repeated, ok := errors.AsType[*sessions.RepeatedError](err); ok {
			replay(w, &repeated.Reply)
			return nil
		}
		if none, ok := errors.AsType[*emptyListError](err); ok {
			none.write(w)
			return nil
		}
		return err
	}
	return next.ServeHTTP(w, r)
}

// apply makes of the client's request the one that is sent to Livy.
func (h *Policy) apply(ctx context.Context, w http.ResponseWriter, r *http.Request, c *call) error {
	if err := h.allow(c); err != nil {
		return err
	}
	if err := h.spread(ctx, c); err != nil {
		return err
	}
	if err := h.ready(ctx, r, c); err != nil {
		return err
	}
	if err := h.body(w, r, c); err != nil {
		return err
	}
	uri, err := h.target(r.Context(), c, c.req.Method != http.MethodGet)
	if gateway.KindOf(err) == gateway.KindNotFound && c.req.Name != "" {
		uri, err = h.target(r.Context(), c, true)
	}
	if err != nil {
		return err
	}
	livy.StripRequestHeaders(r.Header, c.keepLogin)
	c.head.set(r.Header, livy.RequestedBy, livy.RequestedByUs)
	r.Header.Del(headerRepeat)
	path, query, _ := strings.Cut(uri, "?")
	r.Method = c.req.Method
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = path, "", query
	return nil
}

// spread selects one of the gateway's Livy servers for a create.
func (h *Policy) spread(ctx context.Context, c *call) (err error) {
	if c.req.Route.Create && len(c.entry.Beside()) > 0 {
		c.primary = c.entry
		c.entry, c.begun, err = h.core.Manager.Spread(ctx, c.entry)
	}
	return err
}

// uses reports whether a request keeps its gateway from being idle. Reads do not: open notebooks,
// schedulers and monitoring send them for ever.
func (c *call) uses() bool {
	return c.req.Method != http.MethodGet && c.req.Method != http.MethodHead
}

// target returns the request URI for Livy. A name in the path is replaced by an id, and a public
// id by Livy's own. If sure is set, the name is not looked up in memory.
func (h *Policy) target(ctx context.Context, c *call, sure bool) (uri string, err error) {
	g := c.entry.Gateway.ID
	if c.req.Name != "" {
		if c.req.ID, err = h.core.Ledger.IDOf(ctx, g, c.req.Route.Kind, c.req.Name, sure); err != nil {
			return "", err
		}
	}
	if err := h.isolate(ctx, c); err != nil {
		return "", err
	}
	if err := h.hideWarm(ctx, c); err != nil {
		return "", err
	}
	c.named = c.req.Name != ""
	if c.named {
		c.entry = c.entry.Holding(c.req.Route.Kind, c.req.ID)
	}
	c.wholeList()
	if !c.req.Reaches(c.base()) {
		return "", h.core.Ledger.EndedError(ctx, g, c.req.Route.Kind, c.req.ID)
	}
	h.findExtra(ctx, c)
	uri, _ = c.req.UpstreamURI(c.base())
	return uri, nil
}

// body replaces the request's body by the result of the policy.
func (h *Policy) body(w http.ResponseWriter, r *http.Request, c *call) error {
	policy, err := policyOf(c)
	if err != nil {
		return err
	}
	coding, contentType := r.Header.Get("Content-Encoding"), r.Header.Get("Content-Type")
	switch c.req.Route.Body {
	case livy.BodyNone:
		setBody(r, nil)
	case livy.BodyCreate:
		result, err := h.rule(r, c, policy)
		h.report(c, &result.Report, err)
		if err != nil {
			return err
		}
		c.created = &result
		setBody(r, result.Body)
		setHeader(w, headerIgnored, result.Report.IgnoredHeader())
		setHeader(w, headerForced, result.Report.ForcedHeader())
	case livy.BodyUpload:
		sent, body, err := policy.Upload(c.req.Route, coding, contentType, r.Body)
		if err != nil {
			return err
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(body), -1, nil
		r.Header.Del("Content-Length")
		r.Header.Set("Content-Type", sent)
	default:
		body, err := policy.Small(c.req.Route, coding, contentType, r.Body)
		if err != nil {
			return err
		}
		setBody(r, body)
	}
	return nil
}

// policyOf returns the policy for a request's token.
func policyOf(c *call) (*policies.Policy, error) {
	policy, err := c.entry.PolicyFor(c.token.Identity, c.token.Queue)
	if err != nil {
		return nil, gateway.Wrap(gateway.KindUnavailable, "the gateway's policy is broken", err)
	}
	return policy, nil
}

// allow returns an error if the route is disabled.
func (h *Policy) allow(c *call) error {
	policy, err := policyOf(c)
	if err != nil {
		return err
	}
	if err := policy.AllowRoute(c.req.Route); err != nil {
		c.refused = "policy: route disabled"
		return err
	}
	return nil
}

// rule parses the body and the headers of a create request and applies the policy.
func (h *Policy) rule(r *http.Request, c *call, policy *policies.Policy) (policies.Result, error) {
	coding, contentType := r.Header.Get("Content-Encoding"), r.Header.Get("Content-Type")
	result, err := policy.Create(c.req.Route.Kind, coding, contentType, r.Body)
	if err != nil {
		if len(result.Report.Refused) > 0 {
			c.refused = "policy: " + result.Report.Refused[0].Source
		}
		return result, err
	}
	c.repeat, err = repeatOf(r.Header, result.Body)
	return result, err
}

// report counts and logs what the policy did to a create request.
func (h *Policy) report(c *call, r *policies.Report, err error) {
	g := c.entry.Gateway
	decision := "sent"
	if err != nil {
		decision = "refused"
	}
	core.CountCreate(c.entry.Ref, string(c.req.Route.Kind), r, err != nil)
	if ce := h.log.Check(zap.InfoLevel, "create request ruled"); ce != nil {
		ce.Write(zap.String("gateway", g.ID), zap.String("token", c.token.ID), zap.String("kind", string(c.req.Route.Kind)),
			zap.String("decision", decision), zap.Any("policy", r), zap.Error(err))
	}
}

func setHeader(w http.ResponseWriter, name, value string) {
	if value != "" {
		w.Header().Set(name, value)
	}
}

// setBody sets the request's body, of known length in plain UTF-8 JSON, or none.
func setBody(r *http.Request, body []byte) {
	if len(body) == 0 {
		r.Body, r.ContentLength, r.TransferEncoding = http.NoBody, 0, nil
		r.Header.Del("Content-Length")
		r.Header.Del("Content-Type")
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.ContentLength, r.TransferEncoding = int64(len(body)), nil
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Del("Expect")
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Policy)(nil)
	_ caddyhttp.MiddlewareHandler = (*Policy)(nil)
)
