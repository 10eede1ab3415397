// Package wire sends small requests to Livy servers by plain HTTP/1.1. It costs a fraction of what
// net/http's client does, which has two goroutines for each connection and builds the reply anew
// as structures: here the caller's goroutine writes the request and reads the reply, and a simple
// reply is handled in the connection's buffer. All other replies (chunked, without a length,
// HTTP/1.0, unusual headers) are read by net/http.ReadResponse.
//
// A request is never sent twice, with one exception: a read on a connection that was kept, and
// that the server has closed before the first byte of a reply.
package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// MaxBody bounds the body of a request. It is sent before the reply is read, so it must fit in the
// buffers of the two sockets even if the server answers without reading it.
const MaxBody = 64 << 10

// Request is what is sent.
type Request struct {
	Method string
	// Head is the request line and the header, with the empty line at its end, and Body follows.
	// See Head.
	Head []byte
	Body []byte
	// Wait is the longest time until the reply begins; 0 is no limit.
	Wait time.Duration
	// Interim, unless it is nil, is called for each reply of status 1xx before the final one.
	Interim func(*Reply)
}

// repeatable reports whether the request may be sent again although the server may have seen it.
func (q *Request) repeatable() bool {
	return (q.Method == http.MethodGet || q.Method == http.MethodHead) && len(q.Body) == 0
}

// DialError is the error if no connection could be established. Nothing was sent.
type DialError struct{ Err error }

// Error implements error.
func (e *DialError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// ErrLate is the error if the reply has not begun after Request.Wait.
var ErrLate = errors.New("the server has not begun to reply in time")

// Send sends a request to host:port and returns the reply once its header has arrived. The caller
// must call Close on it. If ctx ends before Close, the connection is closed, and what waits for it
// fails with the error of ctx.
func (p *Pool) Send(ctx context.Context, address string, q *Request) (*Reply, error) {
	c := p.take(address)
	if c == nil {
		return p.sendAnew(ctx, address, q)
	}
	reply, err := c.send(ctx, q)
	if err != nil && c.maySendAnew(ctx, q, err) {
		return p.sendAnew(ctx, address, q)
	}
	return reply, err
}

// sendAnew sends a request on a connection of its own.
func (p *Pool) sendAnew(ctx context.Context, address string, q *Request) (*Reply, error) {
	c, err := p.dial(ctx, address)
	if err != nil {
		return nil, err
	}
	return c.send(ctx, q)
}

// maySendAnew reports whether a request that failed on a kept connection may be sent on another
// one: nothing of it was sent, or the server closed the connection instead of replying to a read.
func (c *conn) maySendAnew(ctx context.Context, q *Request, err error) bool {
	if ctx.Err() != nil || errors.Is(err, ErrLate) {
		return false
	}
	return c.wrote == 0 || q.repeatable() && c.read == 0
}

// send sends a request on the connection. If it fails, the connection is closed.
func (c *conn) send(ctx context.Context, q *Request) (*Reply, error) {
	c.wrote, c.read, c.left = 0, 0, maxHead
	c.ctx = ctx
	err := c.exchange(q)
	if err == nil {
		return &c.reply, nil
	}
	err = c.explain(err)
	c.end(false)
	return nil, err
}

// explain returns the reason for an error of the connection.
func (c *conn) explain(err error) error {
	switch {
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrLate
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

func (c *conn) exchange(q *Request) error {
	out := q.Head
	if len(q.Body) > 0 {
		out = append(out, q.Body...)
	}
	if err := c.limit(q.Wait, len(out)); err != nil {
		return err
	}
	n, err := c.Conn.Write(out)
	c.wrote = n
	if err != nil {
		return err
	}
	return c.readHead(q)
}

const (
	// watchAfter is how long the reply may take before the request's context is watched. Most
	// replies are there by then, and watching costs more than all else around them.
	watchAfter = 20 * time.Millisecond
	// watchSize is the size of requests that the buffers of a connection always hold. Sending
	// larger ones may take time.
	watchSize = 4 << 10
)

// limit sets the time until the reply must begin.
func (c *conn) limit(wait time.Duration, size int) error {
	now := time.Now()
	c.until = time.Time{}
	if wait > 0 {
		c.until = now.Add(wait)
	}
	if size > watchSize {
		return c.watch()
	}
	return c.setReadDeadline(now.Add(watchAfter))
}

// watch ends what waits for the connection once the context ends.
func (c *conn) watch() error {
	if c.stop == nil {
		c.stop = context.AfterFunc(c.ctx, c.abort)
	}
	return c.setReadDeadline(c.until)
}

// setReadDeadline sets the deadline for reading, unless the context has ended: abort has set
// another one then.
func (c *conn) setReadDeadline(at time.Time) error {
	if err := c.Conn.SetReadDeadline(at); err != nil {
		return err
	}
	return c.ctx.Err()
}

// dialTimeout is how long connecting may take.
const dialTimeout = 2 * time.Second

func (p *Pool) dial(ctx context.Context, address string) (*conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	raw, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &DialError{err}
	}
	return newConn(p, address, raw), nil
}
