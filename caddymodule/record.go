package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/livy"
	"github.com/livygateway/livygateway/sessions"
)

func init() {
	caddy.RegisterModule(new(Record))
}

// Record is the handler that watches Livy's replies: it writes down every
// session and batch that was created, makes the ids in replies unique over
// restarts of the Livy server, and puts the public path into Location. Replies
// that need none of this pass through unread.
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
	base := c.base()
	read := c.req.Route.Create || base != 0 && c.req.Route.Reply != livy.ReplyOther
	buf := replyBuffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer replyBuffers.Put(buf)
	rec := caddyhttp.NewResponseRecorder(w, buf, func(status int, header http.Header) bool {
		header.Del("Set-Cookie")
		header.Del("Server")
		h.location(c, base, header)
		return read && status < 300 && c.req.Method != http.MethodHead
	})
	if err := next.ServeHTTP(rec, r); err != nil {
		return err
	}
	if c.req.Method == http.MethodDelete && rec.Status() == http.StatusOK {
		h.deleted(r.Context(), c)
	}
	if !rec.Buffered() {
		return nil
	}
	if c.req.Route.Create {
		h.created(r, c, buf.Bytes())
	}
	body, err := livy.ShiftIDs(c.req.Route, buf.Bytes(), base)
	if err != nil {
		return err
	}
	header := rec.Header()
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(rec.Status())
	_, err = w.Write(body)
	return err
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

// created writes a new session or batch down.
func (h *Record) created(r *http.Request, c *call, reply []byte) {
	var s struct {
		ID    int64  `json:"id"`
		Name  string `json:"name"`
		State string `json:"state"`
		AppID string `json:"appId"`
	}
	if err := json.Unmarshal(reply, &s); err != nil {
		h.log.Error("reading Livy's reply to a create", zap.String("gateway", c.entry.Gateway.ID), zap.Error(err))
		return
	}
	// The session is there, whether or not the client still listens.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 3*time.Second)
	defer cancel()
	_, err := h.core.ledger.Created(ctx, sessions.Created{
		Gateway: c.entry.Gateway, Kind: c.req.Route.Kind, LivyID: s.ID,
		Name: s.Name, State: s.State, AppID: s.AppID,
		TokenID: c.token.ID, TokenName: c.token.Name, ClientAddr: clientAddr(r),
		Resources: c.created.Effective, Policy: c.created.Report,
	})
	if err != nil {
		h.log.Error("writing a record", zap.String("gateway", c.entry.Gateway.ID), zap.Int64("livy_id", s.ID), zap.Error(err))
	}
}

func (h *Record) deleted(ctx context.Context, c *call) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	err := h.core.ledger.Deleted(ctx, c.entry.Gateway, c.req.Route.Kind, c.req.ID, c.token.ID)
	if err != nil { // the next poll of Livy's list settles it
		h.log.Warn("closing a record", zap.String("gateway", c.entry.Gateway.ID), zap.Error(err))
	}
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Record)(nil)
	_ caddyhttp.MiddlewareHandler = (*Record)(nil)
)
