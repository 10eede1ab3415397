package livyhttp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

// ready waits until the gateway's Livy server accepts requests. If the gateway sleeps, the
// request starts it, but only if it must reach Livy: whatever can be answered without a server is
// answered first, also while the server is being started for another request.
func (h *Policy) ready(ctx context.Context, r *http.Request, c *call) error {
	if g := c.entry.Gateway; g.Status.State == gateway.StateRunning && g.Status.UnresponsiveSince.IsZero() {
		return nil
	}
	if c.entry.Gateway.Spec.AutoStart.Enabled { // otherwise nobody waits
		if err := h.answerFirst(r, c); err != nil {
			return err
		}
		if c.entry.Asleep() && c.token.ReadOnly() {
			return c.entry.NotReady()
		}
	}
	by := gateway.Origin{Actor: c.token.ID, Address: core.ClientAddr(r), Surface: core.SurfaceLivy}
	_, span := c.span(ctx, "livy.wake")
	began := time.Now()
	ready, err := h.core.Manager.Ready(r.Context(), c.entry, by)
	c.waited = time.Since(began)
	end(span, err)
	if c.entry.Gateway.Spec.AutoStart.Enabled {
		core.CountWait(c.entry.Ref, c.waited, err)
	}
	if err != nil {
		return err
	}
	c.entry, c.primary = ready, nil
	return nil
}

// emptyListError answers a request for a list of a gateway that sleeps: it has no sessions or
// batches.
type emptyListError struct{ from int32 }

// Error implements error.
func (*emptyListError) Error() string { return "the gateway sleeps and has none" }

func (l *emptyListError) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	writeWhole(w, w.Header(), http.StatusOK, fmt.Appendf(nil, `{"from":%d,"total":0,"sessions":[]}`, l.from))
}

// answerFirst returns an error for a request that can be answered without a Livy server, and nil
// for one that cannot. The body of a create is read, up to the policy's limit, and put back,
// since another policy may apply once the server runs.
func (h *Policy) answerFirst(r *http.Request, c *call) error {
	if c.req.Route.HasID && c.entry.Asleep() {
		return h.noneAsleep(r.Context(), c)
	}
	if c.req.Route.Reply == livy.ReplyList && c.entry.Asleep() {
		return &emptyListError{from: c.req.Query.From}
	}
	if !c.req.Route.Create {
		return nil
	}
	policy, err := policyOf(c)
	if err != nil {
		return err
	}
	var sent bytes.Buffer
	body := r.Body
	r.Body = io.NopCloser(io.TeeReader(body, &sent))
	result, err := h.rule(r, c, policy)
	if err != nil {
		h.report(c, &result.Report, err)
		return err
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&sent, body), body}
	err = h.core.Ledger.Repeated(r.Context(), &sessions.Intent{
		Gateway: c.entry.Gateway, Kind: c.req.Route.Kind, TokenID: c.token.ID, Repeat: c.repeat,
	})
	if gateway.KindOf(err) == gateway.KindConflict && c.entry.Gateway.Spec.Fusion != "" {
		// Bodies are compared with the settings of the acceleration in them, and whether jobs get
		// these is known only once the server runs.
		return nil
	}
	return err
}

// noneAsleep returns the error for a session or batch of a gateway that sleeps.
func (h *Policy) noneAsleep(ctx context.Context, c *call) (err error) {
	g := c.entry.Gateway.ID
	if c.req.Name != "" {
		if c.req.ID, err = h.core.Ledger.IDOf(ctx, g, c.req.Route.Kind, c.req.Name, true); err != nil {
			return err
		}
	}
	if err := h.isolate(ctx, c); err != nil {
		return err
	}
	return h.core.Ledger.EndedError(ctx, g, c.req.Route.Kind, c.req.ID)
}
