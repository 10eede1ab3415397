package livyhttp

import (
	"context"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

func init() {
	caddy.RegisterModule(new(Record))
}

// Record is the handler that keeps the records of sessions and batches. A create is recorded
// before it is sent, with a generated name by which it can be found if the reply is lost, and the
// record is completed from Livy's reply.
//
// In replies, ids are translated into ids that stay unique over restarts of the Livy server,
// `Location` gets the public path, and the state `recovering` is shown as `starting`. Logs begin
// with what the policy ignored or changed, and `sparkUiUrl` leads to the Spark UI that the gateway
// shows. On Kubernetes, the pods of drivers decide which batches are a success. The 404 for a
// session or batch that has ended says how it ended. On isolated gateways, a token sees only what it
// created. Other replies are passed on unchanged; new states in them are recorded.
//
// A create with the header `Idempotency-Key` that is repeated within 24 hours gets the first
// reply again and starts nothing.
type Record struct {
	core *core.Core
}

// CaddyModule returns the Caddy module information.
func (*Record) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_record", New: func() caddy.Module { return new(Record) }}
}

// Provision sets up the handler.
func (h *Record) Provision(ctx caddy.Context) (err error) {
	h.core, err = core.Of(ctx)
	return err
}

// plan is how the reply to a request that is not a create is handled. It is made before the
// request is sent. A reply is streamed unless there is a reason to read it whole.
type plan struct {
	// words replaces Livy's words for states, and observe notes the state in the reply.
	words, observe bool

	// all is set for creates: every reply is read whole.
	all bool

	// Reasons to read a successful reply whole: ids in it must be translated, it is a list that
	// is made anew (see wholeList), it shows more than Livy knows, or it is about a statement to
	// be audited.
	shift, list, extra bool
	// driver is set if pods of drivers decide the states of batches in the reply.
	driver    bool
	statement *statementAudit

	// watch is for audited statements whose reply passes through.
	watch *statementAudit

	// gone is set if a 404 is read whole, since it may be about a session or batch that has
	// ended.
	gone bool
}

// makePlan decides how the reply to a request is handled.
func (h *Record) makePlan(r *http.Request, c *call, p *plan) (err error) {
	if p.statement, err = h.newStatementAudit(r, c); c.req.Method == http.MethodGet {
		p.watch, p.statement = p.statement, nil
	}
	p.words = c.req.Route.Reply != livy.ReplyOther
	p.observe = c.req.TellsState()
	p.shift = c.base() != 0 && c.req.Route.Reply != livy.ReplyOther
	p.list = c.page != nil
	p.driver = c.driversDecide()
	p.extra = c.hasExtra() || c.logPage != nil || p.driver
	p.gone = c.req.Route.HasID
	return err
}

// readsWhole reports whether a reply must be buffered.
func (p *plan) readsWhole(method string, status int) bool {
	if p.all {
		return true
	}
	if status == http.StatusNotFound {
		return p.gone
	}
	return (p.shift || p.list || p.extra || p.statement != nil) && status < 300 && method != http.MethodHead
}

// ServeHTTP passes the request on, and handles the reply as planned.
func (h *Record) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	c, err := callOf(r)
	if err != nil {
		return err
	}
	ctx, span := c.span(r.Context(), "livy.record")
	if c.traced() {
		r = r.WithContext(ctx)
	}
	err = h.serve(w, r, c, next)
	end(span, err)
	return err
}

func (h *Record) serve(w http.ResponseWriter, r *http.Request, c *call, next caddyhttp.Handler) error {
	if c.req.Route.Create {
		return h.create(w, r, c, next)
	}
	p := &c.reply.plan
	if err := h.makePlan(r, c, p); err != nil {
		return err
	}
	if p.list {
		var err error
		if c.warm, err = h.warmBefore(r.Context(), c); err != nil {
			return err
		}
	}
	defer c.limit.end()
	rec, to := &c.reply, w
	var statements *seen
	if p.watch != nil {
		statements = p.watch.over(w)
		to = statements
	}
	rec.begin(h, c, to)
	defer rec.end()
	if err := c.send(rec, r, next); err != nil {
		return c.limit.explain(err)
	}
	h.followUp(r.Context(), c, rec.Status())
	switch {
	case !rec.kept:
		rec.out.Finish()
		if statements != nil {
			statements.finish(r.Context(), rec.Status())
		}
		return nil
	case livy.StoppingPage(rec.Status(), rec.Header(), rec.buf.Bytes()):
		return errStopping(c)
	case !p.readsWhole(c.req.Method, rec.Status()):
		writeWhole(w, rec.Header(), rec.Status(), rec.buf.Bytes())
		return nil
	case rec.Status() == http.StatusNotFound:
		return h.notFound(rec, w, r, c, rec.buf.Bytes())
	default:
		return h.answerWhole(rec, w, r, c, p, rec.buf.Bytes())
	}
}

// followUp records that the request ended a session or batch.
func (h *Record) followUp(ctx context.Context, c *call, status int) {
	g := c.entry.Gateway
	if c.req.Method == http.MethodDelete && status == http.StatusOK {
		h.core.Ledger.Deleted(ctx, g, c.req.Route.Kind, c.req.ID, "token "+c.token.ID)
		h.core.Manager.PollSoon(g.ID)
	}
	var verb string
	switch c.req.Route.Name { // both end the session, whatever their names promise
	case "session.stop":
		verb = "stopped"
	case "session.interrupt":
		verb = "interrupted"
	}
	if verb != "" && status < 300 {
		h.core.Ledger.Stopped(ctx, g, c.req.Route.Kind, c.req.ID, verb+" by token "+c.token.ID)
		h.core.Manager.PollSoon(g.ID)
	}
}

// answerWhole answers with a reply that was buffered.
func (h *Record) answerWhole(
	rec *recorder, w http.ResponseWriter, r *http.Request, c *call, p *plan, reply []byte,
) error {
	if p.statement != nil {
		p.statement.look(r.Context(), rec.Status(), reply)
	}
	if p.observe {
		h.observeReply(c, reply)
	}
	body, err := h.translate(r, c, p, reply)
	if err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "reading Livy's reply", err)
	}
	if p.words {
		body = livy.ShowStates(body)
	}
	writeWhole(w, rec.Header(), rec.Status(), body)
	return nil
}

// translate returns a reply with public ids, reduced to what the token may see, and with what it
// shows besides what Livy knows.
func (h *Record) translate(r *http.Request, c *call, p *plan, reply []byte) (body []byte, err error) {
	base := c.base()
	if c.logPage != nil {
		return c.logPage.Edit(reply, base)
	}
	if p.list { // fewer objects to edit
		if reply, err = livy.ShiftIDs(c.req.Route, reply, base); err == nil {
			reply, err = h.list(r, c, reply)
		}
		if err != nil {
			return nil, err
		}
		base = 0
	}
	if !p.extra {
		return livy.ShiftIDs(c.req.Route, reply, base)
	}
	return livy.EditReply(c.req.Route, reply, base, func(shown []livy.Shown) []livy.Edit { return c.edits(r, shown) })
}

// notFound answers with how a session or batch ended that Livy does not know any more. A 404
// about something inside it, e.g. a statement, is passed on.
func (h *Record) notFound(
	rec *recorder, w http.ResponseWriter, r *http.Request, c *call, body []byte,
) error {
	if c.req.Sub < 0 && c.req.Name != "" {
		id, err := h.core.Ledger.IDOf(r.Context(), c.entry.Gateway.ID, c.req.Route.Kind, c.req.Name, true)
		if err == nil && id != c.req.ID {
			return gateway.Errorf(gateway.KindUnavailable,
				"another %s has the name %q now: try again", c.req.Route.Kind, c.req.Name)
		}
	}
	if c.req.Sub < 0 {
		err := h.core.Ledger.EndedError(r.Context(), c.entry.Gateway.ID, c.req.Route.Kind, c.req.ID)
		if gateway.KindOf(err) == gateway.KindNotFound {
			w.Header().Del("Content-Length")
			return err
		}
	}
	writeWhole(w, rec.Header(), rec.Status(), body)
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Record)(nil)
	_ caddyhttp.MiddlewareHandler = (*Record)(nil)
)
