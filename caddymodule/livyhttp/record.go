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

// Record is the handler that keeps the ledger. A create is written down before
// it is sent, with a name by which it is known again whatever is lost, and
// completed by Livy's reply. Ids in replies are made unique over restarts of
// the Livy server, Location gets the public path, `recovering` is shown as
// `starting`, and what is no more is answered 404 with what became of it. On
// isolated gateways a token sees only what it created. Other replies pass
// through; a state that they tell is written down.
//
// A create with the header `Idempotency-Key` that is sent again within 24 hours
// gets the first reply again and starts nothing.
type Record struct {
	core *core.Core
}

// CaddyModule returns the Caddy module information.
func (*Record) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_record", New: func() caddy.Module { return new(Record) }}
}

// Provision finds the app.
func (h *Record) Provision(ctx caddy.Context) (err error) {
	h.core, err = core.Of(ctx)
	return err
}

// plan is what is done with the reply to a request that creates nothing. It is made once,
// before the request is sent: a reply passes as it comes unless there is a reason to read
// it whole.
type plan struct {
	// words changes Livy's words for states, observe notes the state that is told.
	words, observe bool

	// The reasons to read a successful reply whole: ids in it are raised, it is a list that
	// is cut down to what the token created, or it tells of a statement that is on record.
	shift, own bool
	statement  *statementAudit

	// gone reads a 404 whole: it may be about what has ended.
	gone bool
}

// plan decides what is done with the reply.
func (h *Record) plan(r *http.Request, c *call) (p plan, err error) {
	p.statement, err = h.newStatementAudit(r, c)
	p.words = c.req.Route.Reply != livy.ReplyOther
	p.observe = c.req.TellsState()
	p.shift = c.base() != 0 && c.req.Route.Reply != livy.ReplyOther
	p.own = c.page != nil
	p.gone = c.req.Route.HasID
	return p, err
}

// readsWhole reports whether a reply has to be held back and read.
func (p *plan) readsWhole(method string, status int) bool {
	if status == http.StatusNotFound {
		return p.gone
	}
	return (p.shift || p.own || p.statement != nil) && status < 300 && method != http.MethodHead
}

// ServeHTTP passes the request on and does with the reply what is planned.
func (h *Record) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	c, err := callOf(r)
	if err != nil {
		return err
	}
	if c.req.Route.Create {
		return h.create(w, r, c, next)
	}
	p, err := h.plan(r, c)
	if err != nil {
		return err
	}
	buf := takeBuffer()
	defer giveBack(buf)
	var limit readLimit
	defer limit.end()
	out := &livy.StateWriter{ResponseWriter: w, Off: !p.words}
	rec := caddyhttp.NewResponseRecorder(out, buf, func(status int, header http.Header) bool {
		limit.begun()
		c.cleanHeader(header)
		if p.own {
			header.Del("Content-Length") // it is that of the whole list
		}
		return p.readsWhole(c.req.Method, status)
	})
	if p.observe {
		out.Look = func(reply []byte) {
			if rec.Status() == http.StatusOK {
				h.observeReply(c, reply)
			}
		}
	}
	if err := next.ServeHTTP(rec, limit.limit(r)); err != nil {
		return limit.explain(err)
	}
	h.followUp(r.Context(), c, rec.Status())
	switch {
	case !rec.Buffered():
		out.Finish()
		return nil
	case rec.Status() == http.StatusNotFound:
		return h.notFound(rec, w, r, c, buf.Bytes())
	default:
		return h.answerWhole(rec, w, r, c, &p, buf.Bytes())
	}
}

// followUp takes note of a session or batch that the request ended.
func (h *Record) followUp(ctx context.Context, c *call, status int) {
	g := c.entry.Gateway
	if c.req.Method == http.MethodDelete && status == http.StatusOK {
		h.core.Ledger.Deleted(ctx, g, c.req.Route.Kind, c.req.ID, "token "+c.token.ID)
		h.core.Manager.PollSoon(g.ID)
	}
	if c.req.Route.Name == "session.stop" {
		h.core.Manager.PollSoon(g.ID)
	}
}

// answerWhole answers with a reply that was read whole.
func (h *Record) answerWhole(rec caddyhttp.ResponseRecorder, w http.ResponseWriter, r *http.Request,
	c *call, p *plan, reply []byte,
) error {
	if p.statement != nil {
		p.statement.look(r.Context(), rec.Status(), reply)
	}
	if p.observe {
		h.observeReply(c, reply)
	}
	body, err := livy.ShiftIDs(c.req.Route, reply, c.base())
	if err == nil && p.own {
		body, err = h.filter(r.Context(), c, body)
	}
	if err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "reading Livy's reply", err)
	}
	if p.words {
		body = livy.ShowStates(body)
	}
	writeWhole(w, rec.Header(), rec.Status(), body)
	return nil
}

// notFound says what became of a session or batch that Livy does not know. A
// 404 about something below it, e.g. a statement, is passed on.
func (h *Record) notFound(rec caddyhttp.ResponseRecorder, w http.ResponseWriter, r *http.Request, c *call, body []byte) error {
	if c.req.Sub < 0 && c.req.Name != "" {
		id, err := h.core.Ledger.IDOf(r.Context(), c.entry.Gateway.ID, c.req.Route.Kind, c.req.Name, true)
		if err == nil && id != c.req.ID {
			return gateway.Errorf(gateway.KindUnavailable, "another %s is named %q now: ask again", c.req.Route.Kind, c.req.Name)
		}
	}
	if c.req.Sub < 0 {
		if err := h.core.Ledger.EndedError(r.Context(), c.entry.Gateway.ID, c.req.Route.Kind, c.req.ID); gateway.KindOf(err) == gateway.KindNotFound {
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
