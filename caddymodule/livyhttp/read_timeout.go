package livyhttp

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

// readTimeout is the longest time until Livy begins its reply to a read. Creates, statements and
// uploads have no such limit, since Livy answers some of them late.
var readTimeout = 30 * time.Second

// readLimit ends a read whose reply does not begin in time. Its zero value has no limit.
type readLimit struct {
	timer   *time.Timer
	cancel  context.CancelCauseFunc
	expired atomic.Bool
}

// errReadLimit is why the request to Livy is cancelled. It must not be context.Canceled: Caddy's
// reverse_proxy takes that for a client that left, and answers with status 499.
var errReadLimit = errors.New("no reply in time")

// limit returns the request to send in place of a read.
func (l *readLimit) limit(r *http.Request) *http.Request {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return r
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	l.cancel = cancel
	l.timer = time.AfterFunc(readTimeout, func() {
		l.expired.Store(true)
		cancel(errReadLimit)
	})
	return r.WithContext(ctx)
}

// begun removes the limit once the reply has begun: the rest of it may take any time.
func (l *readLimit) begun() {
	if l.timer != nil {
		l.timer.Stop()
	}
}

// end must be called when the request has been handled.
func (l *readLimit) end() {
	if l.timer != nil {
		l.timer.Stop()
		l.cancel(nil)
	}
}

// explain returns the error to answer with if err ended the request.
func (l *readLimit) explain(err error) error {
	if err != nil && l.expired.Load() {
		return errLate()
	}
	return err
}

func errLate() error {
	return gateway.Errorf(gateway.KindUnavailable, "the Livy server did not answer this request within %s", readTimeout)
}
