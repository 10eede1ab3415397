package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/events"
)

// eventStream is the content type of server-sent events.
const eventStream = "text/event-stream"

// Times of a stream of events. A page that was cut off asks again after retryAfter.
const (
	heartbeat  = 15 * time.Second
	retryAfter = 2 * time.Second
	// streamLife is how long a stream lasts: the page then asks for another one, and is
	// asked for its login again.
	streamLife = time.Hour
	// writeTimeout is how long a client may take nothing before it is given up.
	writeTimeout = 30 * time.Second
)

// follow answers GET /v1/events.
func (c *call) follow() error {
	kept, err := c.boolQuery("kept")
	if err != nil {
		return err
	}
	stream, err := c.Manager.Events.Follow(c.r.Header.Get("Last-Event-ID"), kept)
	if err != nil {
		return err
	}
	defer stream.Close()
	header := c.w.Header()
	header.Set("Content-Type", eventStream)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // for proxies that would wait for more
	if c.r.Method == http.MethodHead {
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	ctx, cancel := context.WithTimeout(c.ctx(), streamLife)
	defer cancel()
	if c.surface.Ended != nil {
		ended := c.surface.Ended()
		go func() {
			select {
			case <-ended:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	out := eventWriter{w: c.w, control: http.NewResponseController(c.w)}
	_ = out.control.SetReadDeadline(time.Time{}) // the server's would end the request
	c.send(ctx, stream, &out)
	return nil
}

// send writes events until the client is gone or the stream ends.
func (c *call) send(ctx context.Context, stream *events.Stream, out *eventWriter) {
	// An id without data is no event, but the place from which a page goes on.
	out.printf("retry: %d\nid: %s\n\n", retryAfter.Milliseconds(), stream.Place())
	if !stream.Ready() {
		out.printf(": now\n\n")
	}
	told := !stream.Ready()
	for out.flush() {
		waiting, cancel := context.WithTimeout(ctx, heartbeat)
		got, err := stream.Next(waiting)
		cancel()
		switch {
		case ctx.Err() != nil || errors.Is(err, events.ErrClosed):
			return
		case err != nil:
			out.printf(": still there\n\n")
			continue
		}
		for _, e := range got {
			if c.seesEvent(&e) {
				out.printf("id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Name, e.Data)
			}
		}
		if !told && !stream.Ready() {
			out.printf(": now\n\n")
			told = true
		}
	}
}

// seesEvent reports whether the caller gets an event. Notices tell of tokens and users, so those
// who see only what is their own get none.
func (c *call) seesEvent(e *events.Event) bool {
	switch e.Name {
	case events.NameReset:
		return true
	case events.NameNotice:
		return c.rights.Reach(viewerOrOwn, e.Workspace) == access.All
	default:
		return c.sees(e.Workspace)
	}
}

// eventWriter writes to a client that may be gone or take nothing.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	text    strings.Builder
}

func (o *eventWriter) printf(format string, args ...any) { fmt.Fprintf(&o.text, format, args...) }

// flush sends what was printed, and reports whether the client took it.
func (o *eventWriter) flush() bool {
	_ = o.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := o.w.Write([]byte(o.text.String()))
	o.text.Reset()
	return err == nil && o.control.Flush() == nil
}
