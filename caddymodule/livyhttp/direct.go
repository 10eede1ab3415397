package livyhttp

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/livy/wire"
)

func init() {
	caddy.RegisterModule(new(Direct))
}

// Direct is the handler that sends small requests to Livy servers itself: all of Livy's API except
// uploads. It takes a fraction of the CPU time of Caddy's `reverse_proxy`, sends the same headers,
// and has the same time limits. Everything else is left to the `reverse_proxy` after it: uploads,
// other request bodies of more than 64 KiB, and servers with TLS, a path or a login.
//
// It stands between `livy_record` and `reverse_proxy` and may be left out: with `direct off` in the
// directive `livy_gateway`, Caddy's `reverse_proxy` sends all requests. Requests that it sends are
// not in the metrics and placeholders of `reverse_proxy`.
type Direct struct {
	pool *wire.Pool
	log  *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (*Direct) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.livy_direct", New: func() caddy.Module { return new(Direct) }}
}

// Provision sets up the handler.
func (h *Direct) Provision(ctx caddy.Context) error {
	h.pool, h.log = new(wire.Pool), ctx.Logger()
	return nil
}

// Cleanup closes idle connections.
func (h *Direct) Cleanup() error {
	if h.pool != nil {
		h.pool.Close()
	}
	return nil
}

// ServeHTTP sends the request, or passes it on.
func (h *Direct) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	c, err := callOf(r)
	if err != nil {
		return err
	}
	if !small(r, c) {
		return next.ServeHTTP(w, r)
	}
	to, err := c.destination(r.Context())
	if err != nil {
		return caddyhttp.Error(http.StatusServiceUnavailable, err)
	}
	if to.server != nil && !to.server.Plain() {
		return next.ServeHTTP(w, r)
	}
	return h.send(w, r, c, &to)
}

// small reports whether a request is small. A connection whose TLS handshake has not ended yet is
// left to Caddy, which tells Livy about it.
func small(r *http.Request, c *call) bool {
	return c.req.Route.Body != livy.BodyUpload && r.ContentLength >= 0 && r.ContentLength <= wire.MaxBody &&
		(r.TLS == nil || r.TLS.HandshakeComplete)
}

// outgoing is a request on its way. Its memory is used again.
type outgoing struct {
	wire.Request
	head wire.Head
	buf  []byte
	body []byte
	w    http.ResponseWriter // of the client

	flush   func()
	interim func(*wire.Reply)
}

var outgoings = sync.Pool{New: func() any {
	o := &outgoing{buf: make([]byte, 0, 2<<10), body: make([]byte, 0, 2<<10)}
	o.flush = func() { flush(o.w) }
	o.interim = func(reply *wire.Reply) { writeInterim(o.w, reply) }
	return o
}}

func (h *Direct) send(w http.ResponseWriter, r *http.Request, c *call, to *destination) error {
	out := outgoings.Get().(*outgoing)
	defer outgoings.Put(out)
	if err := out.prepare(r, to); err != nil {
		return caddyhttp.Error(http.StatusBadRequest, err)
	}
	if c.req.Method == http.MethodGet || c.req.Method == http.MethodHead {
		out.Wait = readTimeout
	}
	out.w = w
	defer func() { out.w = nil }()
	reply, err := h.pool.Send(r.Context(), to.address, &out.Request)
	if err != nil {
		return failure(w, err)
	}
	defer reply.Close()
	header := w.Header()
	delete(header, "Server") // Caddy's own
	if before := header["Via"]; before != nil {
		header["Via"] = append(before, via(reply.Major, reply.Minor))
	} else {
		c.head.set(header, "Via", via(reply.Major, reply.Minor))
	}
	reply.AddHeader(header, c.head.rest())
	w.WriteHeader(reply.Status)
	if err := reply.CopyBody(w, out.flush); err != nil {
		// The status has been sent, so all that can be done is to end the client's connection.
		level := zap.WarnLevel
		if errors.Is(err, context.Canceled) {
			level = zap.DebugLevel
		}
		h.log.Log(level, "aborting with incomplete response", zap.String("upstream", to.address), zap.Error(err))
		flush(w)
		panic(http.ErrAbortHandler)
	}
	return nil
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// writeInterim passes a reply of status 1xx on.
func writeInterim(w http.ResponseWriter, reply *wire.Reply) {
	header := w.Header()
	own := header.Clone()
	reply.AddHeader(header, nil)
	w.WriteHeader(reply.Status)
	clear(header)
	maps.Copy(header, own)
}

// failure returns the error for a request that got no reply, as Caddy's reverse_proxy does.
func failure(w http.ResponseWriter, err error) error {
	status := http.StatusBadGateway
	switch dial, ok := errors.AsType[*wire.DialError](err); {
	case errors.Is(err, context.Canceled): // the client has left
		w.WriteHeader(499)
		return nil
	case errors.Is(err, wire.ErrLate):
		return errLate()
	case errors.Is(err, context.DeadlineExceeded):
		status = http.StatusGatewayTimeout
	case ok:
		err = reverseproxy.NewDialError(dial.Err)
	}
	return caddyhttp.Error(status, err)
}

// prepare writes the request, with the headers that Caddy's reverse_proxy sends.
func (o *outgoing) prepare(r *http.Request, to *destination) (err error) {
	host := r.Host
	if to.server != nil {
		host = to.address
	}
	f := forwarded(r)
	o.head.Begin(o.buf[:0], r.Method, r.URL.RequestURI(), host)
	o.head.AddAll(r.Header, isForwarded)
	f.add(&o.head)
	o.head.Add("Via", via(r.ProtoMajor, r.ProtoMinor))
	o.body = o.body[:0]
	if r.ContentLength > 0 {
		if o.body, err = readAll(o.body, r.Body, int(r.ContentLength)); err != nil {
			return err
		}
	}
	o.buf = o.head.End(r.Method, len(o.body))
	o.Request = wire.Request{Method: r.Method, Head: o.buf, Body: o.body, Interim: o.interim}
	return nil
}

// readAll reads a body of a known length.
func readAll(b []byte, body io.Reader, length int) ([]byte, error) {
	if cap(b) < length {
		b = make([]byte, length)
	}
	_, err := io.ReadFull(body, b[:length])
	return b[:length], err
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Direct)(nil)
	_ caddy.CleanerUpper          = (*Direct)(nil)
	_ caddyhttp.MiddlewareHandler = (*Direct)(nil)
)
