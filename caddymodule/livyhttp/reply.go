package livyhttp

import (
	"bytes"
	"maps"
	"net/http"
	"strconv"
	"sync"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

var replyBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled is the largest size of buffers that are kept: one large reply should not use its
// memory forever.
const maxPooled = 1 << 20

func takeBuffer() *bytes.Buffer {
	buf := replyBuffers.Get().(*bytes.Buffer)
	buf.Reset()
	return buf
}

func giveBack(buf *bytes.Buffer) {
	if buf.Cap() <= maxPooled {
		replyBuffers.Put(buf)
	}
}

// cleanHeader removes headers of Livy's own from a reply, and replaces its Location by the public
// one.
func (c *call) cleanHeader(header http.Header) {
	header.Del("Set-Cookie")
	header.Del("Server")
	location := header.Get("Location")
	if location == "" {
		return
	}
	if server, err := c.entry.Server(); err == nil && server != nil {
		location = server.Local(location)
	}
	if public, ok := livy.PublicLocation(c.req.Route.Kind, location, c.prefix, c.base()); ok {
		header.Set("Location", public)
	} else {
		header.Del("Location")
	}
}

// writeWhole writes a reply. An error while writing is ignored, since the client has gone.
func writeWhole(w http.ResponseWriter, header http.Header, status int, body []byte) {
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// replay answers a repeated create with the reply to the first one.
func replay(w http.ResponseWriter, reply *sessions.KeptReply) {
	header := w.Header()
	maps.Copy(header, reply.Header)
	header.Set("Idempotency-Replayed", "true")
	writeWhole(w, header, reply.Status, reply.Body)
}
