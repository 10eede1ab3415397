package livyhttp

import (
	"bytes"
	"net/http"

	"github.com/livygateway/livygateway/internal/livy"
)

// recorder passes Livy's reply on to the client, or keeps it for Record if it is read whole. It
// does what Caddy's ResponseRecorder does, but is a part of the call, and so are the plan and the
// writer after it: a poll allocates nothing for them.
type recorder struct {
	plan
	out    livy.StateWriter
	buf    *bytes.Buffer // nil before begin
	h      *Record
	c      *call
	status int
	// begun is set once the header of the final reply is known, kept if that reply is in buf, and
	// looked once its beginning has been searched for a state.
	begun, kept, looked bool
}

// begin prepares for the reply to a request, which goes to w. The caller must call end.
func (rec *recorder) begin(h *Record, c *call, w http.ResponseWriter) {
	rec.h, rec.c, rec.buf = h, c, takeBuffer()
	rec.out = livy.StateWriter{ResponseWriter: w, Off: !rec.words}
}

func (rec *recorder) end() {
	giveBack(rec.buf)
	rec.buf = nil
}

// Status returns the status of the reply, 0 if there is none.
func (rec *recorder) Status() int { return rec.status }

// Header implements http.ResponseWriter.
func (rec *recorder) Header() http.Header { return rec.out.Header() }

// WriteHeader implements http.ResponseWriter. Replies of status 1xx are passed on.
func (rec *recorder) WriteHeader(status int) {
	if rec.begun {
		return
	}
	rec.status = status
	header := rec.Header()
	rec.c.cleanHeader(header)
	if status >= 100 && status < 200 {
		rec.out.WriteHeader(status)
		return
	}
	if rec.list || rec.extra {
		header.Del("Content-Length") // that of Livy's own reply
	}
	rec.begun = true
	rec.kept = rec.readsWhole(rec.c.req.Method, status) || livy.MayBeStopping(status, header)
	if !rec.kept {
		rec.out.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (rec *recorder) Write(b []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	if rec.kept {
		return rec.buf.Write(b)
	}
	if rec.observe && !rec.looked {
		rec.looked = true
		if rec.status == http.StatusOK {
			rec.h.observeReply(rec.c, b)
		}
	}
	return rec.out.Write(b)
}

// FlushError flushes what is passed on.
func (rec *recorder) FlushError() error {
	if rec.kept || !rec.begun {
		return nil
	}
	return http.NewResponseController(&rec.out).Flush()
}

// Unwrap is for http.ResponseController.
func (rec *recorder) Unwrap() http.ResponseWriter { return &rec.out }
