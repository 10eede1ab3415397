package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/policies"
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
	core *core
	log  *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (*Record) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_record", New: func() caddy.Module { return new(Record) }}
}

// Provision finds the app.
func (h *Record) Provision(ctx caddy.Context) (err error) {
	h.log = ctx.Logger()
	h.core, err = coreOf(ctx)
	return err
}

var replyBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// ServeHTTP passes the request on and looks at the reply.
func (h *Record) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	c, err := callOf(r)
	if err != nil {
		return err
	}
	if c.req.Route.Create {
		return h.create(w, r, c, next)
	}
	audit, err := h.newStatementAudit(r, c)
	if err != nil {
		return err
	}
	base := c.base()
	only := h.onlyOwn(c) // whose sessions a list may hold
	buf := replyBuffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer replyBuffers.Put(buf)
	states := &stateWriter{ResponseWriter: w}
	if c.req.Route.Reply == livy.ReplyOther {
		states.off = true
	}
	ok := false
	if tellsState(&c.req) {
		states.look = func(reply []byte) {
			if ok {
				h.sight(c, reply)
			}
		}
	}
	rec := caddyhttp.NewResponseRecorder(states, buf, func(status int, header http.Header) bool {
		header.Del("Set-Cookie")
		header.Del("Server")
		h.location(c, base, header)
		if only {
			header.Del("Content-Length") // it is that of the whole list
		}
		if status == http.StatusNotFound && c.req.Route.HasID {
			return true
		}
		ok = status == http.StatusOK
		read := base != 0 && c.req.Route.Reply != livy.ReplyOther || only || audit != nil
		return read && status < 300 && c.req.Method != http.MethodHead
	})
	if err := next.ServeHTTP(rec, r); err != nil {
		return err
	}
	if c.req.Method == http.MethodDelete && rec.Status() == http.StatusOK {
		h.core.ledger.Deleted(r.Context(), c.entry.Gateway, c.req.Route.Kind, c.req.ID, "token "+c.token.ID)
		h.core.manager.PollSoon(c.entry.Gateway.ID)
	}
	if c.req.Route.Name == "session.stop" {
		h.core.manager.PollSoon(c.entry.Gateway.ID)
	}
	if !rec.Buffered() {
		states.finish()
		return nil
	}
	if rec.Status() == http.StatusNotFound {
		return h.notFound(rec, w, r, c, buf.Bytes())
	}
	if audit != nil {
		audit.look(r.Context(), rec.Status(), buf.Bytes())
	}
	if states.look != nil {
		states.look(buf.Bytes())
	}
	body, err := livy.ShiftIDs(c.req.Route, buf.Bytes(), base)
	if err == nil && only {
		body, err = h.filter(r.Context(), c, body)
	}
	if err != nil {
		return err
	}
	states.whole(rec.Header(), rec.Status(), body)
	return nil
}

// notFound says what became of a session or batch that Livy does not know. A
// 404 about something below it, e.g. a statement, is passed on.
func (h *Record) notFound(rec caddyhttp.ResponseRecorder, w http.ResponseWriter, r *http.Request, c *call, body []byte) error {
	if c.req.Sub < 0 && c.req.Name != "" {
		id, err := h.core.ledger.IDOf(r.Context(), c.entry.Gateway.ID, c.req.Route.Kind, c.req.Name, true)
		if err == nil && id != c.req.ID {
			return gateway.Errorf(gateway.KindUnavailable, "another %s is named %q now: ask again", c.req.Route.Kind, c.req.Name)
		}
	}
	if c.req.Sub < 0 {
		if err := h.core.ledger.EndedError(r.Context(), c.entry.Gateway.ID, c.req.Route.Kind, c.req.ID); gateway.KindOf(err) == gateway.KindNotFound {
			w.Header().Del("Content-Length")
			return err
		}
	}
	writeWhole(w, rec.Header(), rec.Status(), body)
	return nil
}

// writeWhole answers. That it could not be written is no failure of the request: the
// client is gone, and nobody is left to be told.
func writeWhole(w http.ResponseWriter, header http.Header, status int, body []byte) {
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// location turns Livy's Location into the public one.
func (h *Record) location(c *call, base int64, header http.Header) {
	from := header.Get("Location")
	if from == "" {
		return
	}
	collection := "/" + c.req.Route.Kind.Collection() + "/"
	rest, ok := strings.CutPrefix(from, collection)
	if !ok {
		header.Del("Location") // nothing that a client of ours could follow
		return
	}
	first, more, _ := strings.Cut(rest, "/")
	id, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		header.Del("Location")
		return
	}
	to := c.prefix + collection + strconv.FormatInt(id+base, 10)
	if more != "" {
		to += "/" + more
	}
	header.Set("Location", to)
}

// create writes a create down, sends it, and completes the record.
func (h *Record) create(w http.ResponseWriter, r *http.Request, c *call, next caddyhttp.Handler) error {
	create, err := h.begin(r, c)
	if err != nil {
		if repeated, ok := errors.AsType[*sessions.RepeatedError](err); ok {
			replay(w, &repeated.Reply)
			return nil
		}
		return err
	}
	defer h.core.manager.PollSoon(c.entry.Gateway.ID) // whatever comes of it
	setBody(r, c.created.Body)
	base := c.base()
	var buf bytes.Buffer
	rec := caddyhttp.NewResponseRecorder(w, &buf, func(_ int, header http.Header) bool {
		header.Del("Set-Cookie")
		header.Del("Server")
		h.location(c, base, header)
		return true
	})
	if err := next.ServeHTTP(rec, r); err != nil {
		var dial reverseproxy.DialError
		if errors.As(err, &dial) || errors.Is(err, errNoUpstream) || c.unsent {
			create.Refused(r.Context()) // it was never sent
		}
		return err
	}
	if status := rec.Status(); status != http.StatusCreated {
		if status >= 500 {
			create.Failed(r.Context(), fmt.Sprintf("Livy answered %d: %.200s", status, buf.Bytes()))
		} else {
			create.Refused(r.Context())
		}
		if status == http.StatusBadRequest && bytes.Contains(buf.Bytes(), duplicateName) {
			return errNameTaken(c)
		}
		writeWhole(w, rec.Header(), rec.Status(), buf.Bytes())
		return nil
	}
	var s struct {
		ID    int64  `json:"id"`
		State string `json:"state"`
		AppID string `json:"appId"`
	}
	if err := json.Unmarshal(buf.Bytes(), &s); err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "reading Livy's reply to a create", err)
	}
	if now, err := h.core.manager.Lookup(c.entry.Gateway.Workspace, c.entry.Gateway.ID); err == nil &&
		now.Gateway.Status.Epoch != c.entry.Gateway.Status.Epoch {
		return gateway.Errorf(gateway.KindUnavailable, "the Livy server was replaced while it answered; look for the %s named %q",
			c.req.Route.Kind, c.created.Effective.Name)
	}
	body, err := livy.ShiftIDs(c.req.Route, buf.Bytes(), base)
	if err != nil {
		return err
	}
	body = showStates(body)
	kept := sessions.KeptReply{Status: http.StatusCreated, Body: body, Header: http.Header{}}
	for _, name := range []string{"Content-Type", "Location", headerIgnored, headerForced} {
		if v := rec.Header().Get(name); v != "" {
			kept.Header.Set(name, v)
		}
	}
	if err := create.Confirmed(r.Context(), c.entry.Gateway, s.ID, s.State, s.AppID, kept); err != nil {
		return err
	}
	writeWhole(w, rec.Header(), http.StatusCreated, body)
	return nil
}

// begin writes down what is about to be sent.
func (h *Record) begin(r *http.Request, c *call) (*sessions.Create, error) {
	policy, err := c.entry.PolicyFor(c.token.Identity, c.token.Queue)
	if err != nil {
		return nil, err
	}
	id, err := h.core.ledger.NewID()
	if err != nil {
		return nil, err
	}
	effective := &c.created.Effective
	var ui string
	var conf map[string]string
	if h.core.ui.serves(c.entry.Gateway, policy) {
		if ui = c.prefix + gateway.SparkUIPath + id; h.core.manager.SparkUISite() != "" {
			ui = c.entry.Gateway.SparkUI(id)
		}
		conf = policies.SparkUIConf(ui)
	}
	if err := c.created.Complete(sessions.NameFor(id, effective.AppName()), conf); err != nil {
		return nil, err
	}
	in := sessions.Intent{
		ID: id, Gateway: c.entry.Gateway, Kind: c.req.Route.Kind, Name: effective.Name,
		TokenID: c.token.ID, TokenName: c.token.Name, ClientAddr: clientAddr(r),
		Resources: effective, Policy: c.created.Report, MaxLive: c.token.MaxSessions, Repeat: c.repeat, SparkUI: ui,
	}
	if in.Kind == livy.KindBatch {
		in.MaxLive = c.token.MaxBatches
	}
	in.MilliCPU, in.MemoryMB = policy.Takes(effective)
	return h.core.ledger.Begin(r.Context(), in)
}

// replay answers a repetition as the first create was answered.
func replay(w http.ResponseWriter, reply *sessions.KeptReply) {
	header := w.Header()
	maps.Copy(header, reply.Header)
	header.Set("Idempotency-Replayed", "true")
	writeWhole(w, header, reply.Status, reply.Body)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Record)(nil)
	_ caddyhttp.MiddlewareHandler = (*Record)(nil)
)
