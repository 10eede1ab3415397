package livyhttp

import (
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
)

// measured is what metrics need to know of a request.
type measured struct {
	began time.Time
	// livy is how long Livy took, waited how long the request waited for its gateway to start.
	livy, waited time.Duration
	// status is that of the reply, if it is known; err is the error that it reports.
	status int
	err    error
	// answered is set once the reply is complete.
	answered bool
}

// send passes the request on to Livy.
func (c *call) send(rec *recorder, r *http.Request, next caddyhttp.Handler) error {
	r, span := c.upstream(r)
	began := time.Now()
	defer func() { c.livy = time.Since(began) }()
	err := next.ServeHTTP(rec, r)
	c.status = rec.Status()
	endUpstream(span, c.status, err)
	return err
}

// count counts the request. Caddy ends the handlers by a panic if the client leaves while a reply
// is sent.
func (c *call) count() {
	if !c.answered {
		c.status = core.StatusClientGone
	}
	core.CountRequest(c.entry.Ref, c.req.Route, c.status, c.err,
		core.RequestTimes{Began: c.began, Livy: c.livy, Waited: c.waited})
	if c.err != nil {
		core.CountRefusal(c.entry.Ref, c.status, c.err, c.refused != "")
	}
}
