package control

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/upstream"
)

// reconciler brings one gateway's Livy server to the desired state, one step at a time,
// while its instance holds the gateway's lease. Only reconcilers start and stop servers.
// They work from the state in Redis, so any instance can continue where another ended.
//
// A reconciler may have lost its lease without knowing it. All its writes therefore carry
// the lease number, and it retires a server before stopping it: a retired server is never
// used again, no matter which instance holds the lease by then.
type reconciler struct {
	m        *Manager
	id       string
	fence    store.Fence // every write is made under this lease
	kicked   chan struct{}
	pollSoon chan struct{} // requests for a poll before the next step is due
	cancel   context.CancelFunc
	done     chan struct{}

	seenRevision   int64 // the revision that the last step worked from
	checkedStopped bool  // the runtime has confirmed that a stopped gateway has no server
	checkedUnknown bool  // retireUnknownServer is done
	idle           idleness
	refusal        refusal
	liveness       liveness
	pods           podCare
	warmth         warmth
	learning       learning
	silentServers  map[int64]time.Time // since when servers beside the primary one do not answer, by epoch
	stuckServer    outage              // failures of steps of the servers beside the primary one
	stuck          outage              // failures of steps
	unread         outage              // failures to read Livy's lists
}

// pollTimeout bounds one poll of a Livy server's lists.
const pollTimeout = 10 * time.Second

// Pauses between two steps.
const (
	stepSoon  = 300 * time.Millisecond
	stepError = 2 * time.Second
	// stepStarting is the first pause while a server starts. It is short since clients wait for it.
	stepStarting = 50 * time.Millisecond
	// stepGap is the minimum pause between polls, however many are requested.
	stepGap = time.Second
)

func (r *reconciler) kick() {
	select {
	case r.kicked <- struct{}{}:
	default:
	}
}

func (r *reconciler) run(ctx context.Context) {
	var last, next time.Time // steps
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.pollSoon:
			if at := last.Add(stepGap); at.Before(next) {
				next = at
				timer.Reset(time.Until(at))
			}
			continue
		case <-r.kicked:
			// Refreshes kick too; only a revision that no step has seen is worth an early step.
			if e := r.entry(); e == nil || e.Gateway.Revision <= r.seenRevision {
				continue
			}
		}
		pause := r.step(ctx)
		last = time.Now()
		next = last.Add(pause)
		timer.Reset(pause)
	}
}

func (r *reconciler) entry() *Entry {
	p := r.m.snapshots.current.Load()
	if p == nil {
		return nil
	}
	return p.byID[r.id]
}

// update changes the gateway as Manager.update does. The reconciler's own writes do not
// cause another step; writes by others since the step began do.
func (r *reconciler) update(
	ctx context.Context, change func(*gateway.Gateway) error,
) (*gateway.Gateway, error) {
	var before int64
	g, err := r.m.update(ctx, r.fence, r.id, func(g *gateway.Gateway) error {
		before = g.Revision
		return change(g)
	})
	if err == nil && before == r.seenRevision {
		r.seenRevision = g.Revision
	}
	return g, err
}

// step takes the next step for the gateway and returns the pause to make after it.
func (r *reconciler) step(ctx context.Context) time.Duration {
	if e := r.entry(); e == nil || r.rests(e.Gateway) {
		return r.m.PollInterval
	}
	// The snapshot may be out of date: decide on the stored gateway.
	g, err := r.m.Store.Gateway(ctx, r.id)
	if err != nil {
		return stepError
	}
	r.seenRevision = g.Revision
	var pause time.Duration
	if !r.checkedUnknown {
		g, err = r.retireUnknownServer(ctx, g)
	}
	if err == nil {
		g, err = r.stepServers(ctx, g)
	}
	if err != nil {
		// logged below
	} else if g.Desired == gateway.StateRunning {
		pause, err = r.keepRunning(ctx, g)
	} else if g.Desired == gateway.StateDeleting {
		err = r.delete(ctx)
	} else {
		pause, err = r.keepStopped(ctx, g)
	}
	switch {
	case errors.Is(err, store.ErrFenced):
		r.m.Logger.Warn("another instance has taken over this gateway",
			zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.Int64("lease", r.fence.Number))
		r.m.leaseholder.drop(r.id, r.fence.Number)
		return stepError
	case err != nil && ctx.Err() == nil:
		if r.stuck.begins(err) {
			r.m.Logger.Error("cannot supervise the gateway",
				zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.Error(err))
		}
		return stepError
	case err == nil && r.stuck.ends():
		r.m.Logger.Info("supervising the gateway again",
			zap.String("gateway", g.ID), zap.String("name", g.Ref()))
	}
	return serversPause(g, pause, r.m.Now())
}

// rests reports whether there is nothing to do for a gateway, since its last step found it stopped
// and settled and it has not changed since. Changes reach the snapshot within a second. Of a
// thousand gateways, most are in this state most of the time.
func (r *reconciler) rests(g *gateway.Gateway) bool {
	return r.checkedStopped && r.checkedUnknown && g.Revision == r.seenRevision && g.Desired == gateway.StateStopped &&
		len(g.Status.Servers) == 0 && (g.Status.State == gateway.StateStopped || g.Status.State == gateway.StateCreated) &&
		(r.pods.settled || !r.m.RunsPods(g))
}

func (r *reconciler) keepStopped(ctx context.Context, g *gateway.Gateway) (time.Duration, error) {
	m := r.m
	ended := g.Status.State == gateway.StateStopped || g.Status.State == gateway.StateCreated
	if ended && r.checkedStopped {
		if !r.pods.settled {
			r.followPods(ctx, g)
		}
		return m.PollInterval, nil
	}
	if !ended {
		updated, err := r.retire(ctx, gateway.StateStopped)
		if err != nil || updated.Desired != gateway.StateStopped {
			return 0, err
		}
		g = updated
	}
	if err := m.Runtime.Stop(ctx, g.ServerID(), g.Status.Epoch); err != nil {
		return 0, err
	}
	r.checkedStopped = true
	if ended {
		return m.PollInterval, nil
	}
	if err := m.Ledger.ServerEnded(ctx, r.fence, g, "the gateway was stopped"); err != nil {
		return 0, err
	}
	_, err := r.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateStopped {
			return errUnchanged // started again in the meantime
		}
		g.Enter(gateway.StateStopped, "", gateway.SystemActor, m.Now())
		clearInstance(g)
		g.Status.Location = ""
		return nil
	})
	if err == nil {
		m.Logger.Info("gateway stopped", zap.String("gateway", g.ID), zap.String("name", g.Ref()))
	}
	return m.PollInterval, err
}

// retire gives up a gateway's current server, unless the desired state has changed. Only a
// retired server may be stopped: a former holder of the lease may resume at any time, and
// it can stop retired servers only.
func (r *reconciler) retire(ctx context.Context, desired gateway.State) (*gateway.Gateway, error) {
	return r.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != desired || g.Status.Retired == g.Status.Epoch && g.Status.Instance == "" {
			return errUnchanged
		}
		g.Status.Retired = g.Status.Epoch
		clearInstance(g)
		return nil
	})
}

func (r *reconciler) keepRunning(ctx context.Context, g *gateway.Gateway) (time.Duration, error) {
	r.checkedStopped = false
	inst, found, err := r.find(ctx, g)
	if err != nil {
		return 0, err
	}
	known := found && inst.Running && inst.ID == g.Status.Instance
	switch {
	case known && g.Status.State == gateway.StateRunning:
		if r.recentlyRefused(g) {
			return r.m.PollInterval, nil
		}
		return r.pollRunning(ctx, g)
	case known && g.Status.State == gateway.StateStarting:
		return r.awaitReady(ctx, g, inst)
	case found && inst.Running && g.Status.State == gateway.StateStarting && g.Status.Instance == "" &&
		inst.Epoch == g.Status.Epoch && inst.Epoch > g.Status.Retired:
		// Started by a process that ended before it could record the server.
		return r.adopt(ctx, g, inst)
	case g.Status.State == gateway.StateRunning ||
		g.Status.State == gateway.StateStarting && g.Status.Instance != "":
		how := "its container or process is gone"
		if found {
			how = inst.Exit
		} else if at := g.Status.Location; at != "" && at != r.m.leaseholder.currentLocation() {
			how = "no instance is left at " + at
		}
		return r.failed(ctx, g, reasonEnded+how)
	case r.m.Now().Before(g.Status.NextStart):
		return min(r.m.PollInterval, g.Status.NextStart.Sub(r.m.Now())), nil
	default:
		return r.start(ctx)
	}
}

// find returns the gateway's server as the runtime knows it.
func (r *reconciler) find(ctx context.Context, g *gateway.Gateway) (upstream.Instance, bool, error) {
	inst, found, err := r.m.Runtime.Find(ctx, g.ServerID())
	a, ok := r.m.Runtime.(upstream.Adopter)
	if ok && err == nil && g.Status.Instance != "" && (!found || inst.ID != g.Status.Instance) {
		a.Adopt(g.ServerID(), g.Status.Instance)
		return r.m.Runtime.Find(ctx, g.ServerID())
	}
	return inst, found, err
}

// failed records why a server failed, removes what is left of it and schedules the next
// attempt; see gateway.Status.Fail.
func (r *reconciler) failed(ctx context.Context, g *gateway.Gateway, reason string) (time.Duration, error) {
	m, end := r.m, recordReason(reason)
	if g.Status.Instance != "" { // otherwise no server was started, and the log is its predecessor's
		if lines, err := m.Runtime.Logs(ctx, g.ServerID(), 10); err == nil && len(lines) > 0 {
			reason += "; last lines: " + joinLines(lines)
		}
	}
	epoch := g.Status.Epoch
	updated, err := r.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning || g.Status.Epoch != epoch {
			return errUnchanged
		}
		if next := g.Status.Successor(); next != 0 { // stepServers stops and starts this one
			g.TakeOver(next, reason, m.Now(), m.MaxBackoff)
			return nil
		}
		g.Enter(gateway.StateError, reason, gateway.SystemActor, m.Now())
		clearInstance(g)
		g.Status.Retired = epoch
		g.Status.Fail(reason, m.Now(), m.MaxBackoff)
		return nil
	})
	if err == nil && updated.Status.Server(epoch) != nil {
		m.Logger.Error("a Livy server of the gateway failed; it is started again", zap.String("gateway", g.ID),
			zap.String("name", g.Ref()), zap.String("reason", reason), zap.Int("serving", updated.ServingServers()))
		m.reportFailure(updated, epoch)
		return stepSoon, nil
	}
	if err != nil || updated.Status.Retired < epoch {
		return 0, err
	}
	m.Logger.Error("Livy server failed",
		zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.String("reason", reason))
	if err := m.Runtime.Stop(ctx, g.ServerID(), epoch); err != nil {
		return 0, err
	}
	return stepSoon, m.Ledger.ServerEnded(ctx, r.fence, g, end)
}

// poll updates the records of a running server.
func (r *reconciler) poll(ctx context.Context, g *gateway.Gateway, server sessions.Lister) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	err := r.m.Ledger.Poll(ctx, r.fence, g, server)
	if errors.Is(err, sessions.ErrReplaced) {
		err = r.renumber(ctx, g, err.Error())
	}
	if err == nil {
		r.followPods(ctx, g)
	}
	switch {
	case err == nil && r.unread.ends():
		r.m.Logger.Info("the Livy server can be polled again", zap.String("gateway", g.ID))
	case err != nil && ctx.Err() == nil && !livy.IsRefused(err) && !errors.Is(err, store.ErrFenced) &&
		r.unread.begins(err):
		r.m.Logger.Warn("cannot poll the Livy server", zap.String("gateway", g.ID), zap.Error(err))
	}
	return err
}

// renumber raises the base of public ids above all issued ones, after the Livy server was
// restarted by something other than this gateway.
func (r *reconciler) renumber(ctx context.Context, g *gateway.Gateway, reason string) error {
	m := r.m
	if err := m.Ledger.ServerEnded(ctx, r.fence, g, reason); err != nil {
		return err
	}
	ids, err := r.nextIDs(ctx, g)
	if err != nil {
		return err
	}
	epoch := g.Status.Epoch
	_, err = r.update(ctx, func(g *gateway.Gateway) error {
		if g.Status.Epoch != epoch {
			return errUnchanged
		}
		g.Renumber(ids)
		return nil
	})
	return err
}
