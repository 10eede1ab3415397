package control

import (
	"context"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Ready returns a gateway's entry once its Livy server accepts requests. A gateway that
// is not running is an error of KindUnavailable, unless it has auto-start enabled: then it
// is started, once for all concurrent callers, and the caller waits for it up to the
// gateway's limit.
func (m *Manager) Ready(ctx context.Context, e *Entry, by gateway.Origin) (*Entry, error) {
	g := e.Gateway
	if g.Status.State == gateway.StateRunning {
		if !g.Status.UnresponsiveSince.IsZero() {
			return nil, unresponsive(g)
		}
		return e, nil
	}
	if !g.Spec.AutoStart.Enabled || g.Desired == gateway.StateDeleting {
		return nil, notReady(g)
	}
	if g.Desired != gateway.StateRunning {
		if err := m.wake(ctx, e, by); err != nil {
			return nil, err
		}
	}
	bound := time.NewTimer(time.Duration(g.Spec.AutoStart.Wait()) * time.Second)
	defer bound.Stop()
	for {
		changed := m.snapshots.next()
		now := m.snapshots.current.Load().byID[g.ID]
		switch {
		case now == nil:
			return nil, gateway.Errorf(gateway.KindNotFound, "gateway %q was deleted", g.Spec.Name)
		case now.Gateway.Status.State == gateway.StateRunning:
			return now, nil
		case now.Gateway.Desired != gateway.StateRunning || now.Gateway.Status.State == gateway.StateError:
			return nil, notReady(now.Gateway)
		}
		select {
		case <-changed:
		case <-bound.C:
			return nil, notReady(now.Gateway)
		case <-ctx.Done():
			return nil, notReady(now.Gateway)
		}
	}
}

// Asleep reports whether a gateway is stopped until a request starts it. It has no
// sessions or batches then; earlier ones do not come back.
func (e *Entry) Asleep() bool {
	g := e.Gateway
	return g.Status.State != gateway.StateRunning && g.Desired == gateway.StateStopped &&
		g.Spec.AutoStart.Enabled
}

// NotReady returns the error for a request that does not start the gateway.
func (e *Entry) NotReady() error { return notReady(e.Gateway) }

// wake requests the start of a gateway, unless another request has done so: of all
// concurrent requests, one writes to Redis.
func (m *Manager) wake(ctx context.Context, e *Entry, by gateway.Origin) error {
	select {
	case e.used.waking <- struct{}{}:
	case <-ctx.Done(): // the client left while another request waited for Redis
		return notReady(e.Gateway)
	}
	defer func() { <-e.used.waking }()
	now := m.snapshots.current.Load().byID[e.Gateway.ID]
	if now == nil || now.Gateway.Desired == gateway.StateRunning {
		return nil
	}
	_, err := m.want(ctx, now.Gateway, gateway.StateRunning, gateway.SystemActor, wakeCause,
		gateway.Order{Origin: by})
	return err
}

// notReady returns the error for a gateway that cannot take requests. It leaves out the
// reason of StateError, which may contain lines of Livy's log that clients must not see.
func notReady(g *gateway.Gateway) error {
	switch {
	case g.Desired == gateway.StateDeleting:
		return gateway.NotNow("gateway %q is being deleted", g.Spec.Name)
	case g.Status.State == gateway.StateStarting:
		return gateway.NotNow("gateway %q is starting (%s, since %s)",
			g.Spec.Name, g.Status.Reason, g.Status.Since.UTC().Format(time.RFC3339))
	case g.Desired == gateway.StateRunning:
		return gateway.NotNow("gateway %q is starting (state %s)", g.Spec.Name,
			g.Status.State)
	default:
		return gateway.NotNow("gateway %q is stopped (state %s): it must be started first",
			g.Spec.Name, g.Status.State)
	}
}
