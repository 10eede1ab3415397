package wire

import (
	"errors"
	"io"
	"sync"
)

// WriteError is the error of CopyBody if the body could not be written.
type WriteError struct{ Err error }

// Error implements error.
func (e *WriteError) Error() string { return "passing on the reply: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// CopyBody writes the body of the reply, and calls flush after each part if the length of the body
// is not known.
func (r *Reply) CopyBody(w io.Writer, flush func()) error {
	in := r.conn.in
	if r.full == nil {
		if _, err := in.Discard(r.size); err != nil {
			return r.conn.explain(err)
		}
		if r.body <= in.Buffered() { // all of it has arrived
			body, _ := in.Peek(r.body)
			if len(body) > 0 {
				if _, err := w.Write(body); err != nil {
					return &WriteError{err}
				}
			}
			_, _ = in.Discard(r.body)
			r.over = true
			return nil
		}
		if err := r.conn.begun(); err != nil {
			return r.conn.explain(err)
		}
	}
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := r.read(buf[:])
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return &WriteError{err}
			}
			if r.full != nil && r.full.ContentLength < 0 {
				flush()
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			r.over = true
			return nil
		case err != nil:
			return r.conn.explain(err)
		}
	}
}

// read reads a part of the body. At its end, it returns io.EOF.
func (r *Reply) read(b []byte) (n int, err error) {
	if r.full != nil {
		return r.full.Body.Read(b)
	}
	if r.body == 0 {
		return 0, io.EOF
	}
	n, err = r.conn.in.Read(b[:min(len(b), r.body)])
	r.body -= n
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close ends the request. The connection is kept if the body has been read and the server goes on.
func (r *Reply) Close() { r.conn.end(r.over && r.again) }
