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

// worker brings one gateway's Livy server to where it is wanted, one step at a
// time, for as long as its instance holds the gateway's lease. It is the only
// one that starts and stops servers; the state it works from is in Redis, so that
// any instance can go on where another one ended.
//
// It may have lost the lease without knowing. So all that it writes carries the
// lease's number, and a server is ended only after it was condemned: what this
// worker decided to end, no later one will ever use.
type worker struct {
	m      *Manager
	id     string
	fence  store.Fence // all writes are made under this lease
	kicked chan struct{}
	soon   chan struct{} // somebody wants a poll out of turn
	cancel context.CancelFunc
	done   chan struct{}

	seen    int64     // the revision that the last step worked from
	retryAt time.Time // no start before this
	checked bool      // a server of a stopped gateway was looked for
	caught  bool      // see catchUp
	idle    idleness
	refusal refusal
	stuck   outage // of steps
	unread  outage // of Livy's lists
}

// askTimeout bounds a look at a Livy server's lists.
const askTimeout = 10 * time.Second

// Pauses between two steps.
const (
	stepSoon  = 300 * time.Millisecond
	stepError = 2 * time.Second
	// stepGap is how far apart polls out of turn are at least, however many are
	// wanted.
	stepGap = time.Second
)

func (w *worker) kick() {
	select {
	case w.kicked <- struct{}{}:
	default:
	}
}

func (w *worker) run(ctx context.Context) {
	var last, next time.Time // steps
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-w.soon:
			if at := last.Add(stepGap); at.Before(next) {
				next = at
				timer.Reset(time.Until(at))
			}
			continue
		case <-w.kicked:
			// Refreshes kick too; only what no step has seen is worth one out of turn.
			if e := w.entry(); e == nil || e.Gateway.Revision <= w.seen {
				continue
			}
		}
		pause := w.step(ctx)
		last = time.Now()
		next = last.Add(pause)
		timer.Reset(pause)
	}
}

func (w *worker) entry() *Entry {
	p := w.m.view.current.Load()
	if p == nil {
		return nil
	}
	return p.byID[w.id]
}

// update changes the gateway as Manager.update does. What the worker itself writes
// calls for no further step; what somebody else wrote since the step began does.
func (w *worker) update(ctx context.Context, change func(*gateway.Gateway) error) (*gateway.Gateway, error) {
	var before int64
	g, err := w.m.update(ctx, w.fence, w.id, func(g *gateway.Gateway) error {
		before = g.Revision
		return change(g)
	})
	if err == nil && before == w.seen {
		w.seen = g.Revision
	}
	return g, err
}

// step does what is next for the gateway and returns the pause after it.
func (w *worker) step(ctx context.Context) time.Duration {
	if w.entry() == nil {
		return w.m.PollInterval
	}
	// The picture may be a moment old: decide on what is stored.
	g, err := w.m.Store.Gateway(ctx, w.id)
	if err != nil {
		return stepError
	}
	w.seen = g.Revision
	var pause time.Duration
	if !w.caught {
		g, err = w.catchUp(ctx, g)
	}
	if err != nil {
		// said below
	} else if g.Desired == gateway.StateRunning {
		pause, err = w.keepRunning(ctx, g)
	} else {
		pause, err = w.keepStopped(ctx, g)
	}
	switch {
	case errors.Is(err, store.ErrFenced):
		w.m.Logger.Warn("another instance took this gateway over",
			zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.Int64("lease", w.fence.Number))
		w.m.keeper.drop(w.id, w.fence.Number)
		return stepError
	case err != nil && ctx.Err() == nil:
		if w.stuck.begins(err) {
			w.m.Logger.Error("supervising gateway",
				zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.Error(err))
		}
		return stepError
	case err == nil && w.stuck.ends():
		w.m.Logger.Info("supervising gateway again", zap.String("gateway", g.ID), zap.String("name", g.Ref()))
	}
	return pause
}

func (w *worker) keepStopped(ctx context.Context, g *gateway.Gateway) (time.Duration, error) {
	m := w.m
	ended := g.Status.State == gateway.StateStopped || g.Status.State == gateway.StateCreated
	if ended && w.checked {
		return m.PollInterval, nil
	}
	if !ended {
		updated, err := w.condemn(ctx, gateway.StateStopped)
		if err != nil || updated.Desired != gateway.StateStopped {
			return 0, err
		}
		g = updated
	}
	if err := m.Runtime.Stop(ctx, g.ID, g.Status.Epoch); err != nil {
		return 0, err
	}
	w.checked = true
	if ended {
		return m.PollInterval, nil
	}
	if err := m.Ledger.ServerEnded(ctx, w.fence, g, "the gateway was stopped"); err != nil {
		return 0, err
	}
	_, err := w.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateStopped {
			return errUnchanged // started again in the meantime
		}
		g.Enter(gateway.StateStopped, "", gateway.SystemActor, m.Now())
		clearInstance(g)
		g.Status.Place = ""
		return nil
	})
	if err == nil {
		m.Logger.Info("gateway stopped", zap.String("gateway", g.ID), zap.String("name", g.Ref()))
	}
	return m.PollInterval, err
}

// condemn gives a gateway's present server up, unless something else than desired
// is wanted by now. Only then may it be ended: whoever had the gateway before may
// come back any time and end what was condemned, and nothing else.
func (w *worker) condemn(ctx context.Context, desired gateway.State) (*gateway.Gateway, error) {
	return w.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != desired || g.Status.Condemned == g.Status.Epoch && g.Status.Instance == "" {
			return errUnchanged
		}
		g.Status.Condemned = g.Status.Epoch
		clearInstance(g)
		return nil
	})
}

func (w *worker) keepRunning(ctx context.Context, g *gateway.Gateway) (time.Duration, error) {
	w.checked = false
	inst, found, err := w.find(ctx, g)
	if err != nil {
		return 0, err
	}
	known := found && inst.Running && inst.ID == g.Status.Instance
	switch {
	case known && g.Status.State == gateway.StateRunning:
		if w.refused(g) {
			return w.m.PollInterval, nil
		}
		err := w.poll(ctx, g)
		if errors.Is(err, store.ErrFenced) {
			return 0, err
		}
		err = w.see(ctx, g, err)
		if err != nil || w.refused(g) {
			return w.m.PollInterval, err
		}
		return w.m.PollInterval, w.stopIfIdle(ctx, g)
	case known && g.Status.State == gateway.StateStarting:
		return w.awaitReady(ctx, g, inst)
	case found && inst.Running && g.Status.State == gateway.StateStarting && g.Status.Instance == "" &&
		inst.Epoch == g.Status.Epoch && inst.Epoch > g.Status.Condemned:
		// Started by a process that ended before it could write it down.
		return w.adopt(ctx, g, inst)
	case g.Status.State == gateway.StateRunning || g.Status.State == gateway.StateStarting && g.Status.Instance != "":
		how := "its container or process is gone"
		if found {
			how = inst.Exit
		} else if place := w.m.keeper.placeNow(); g.Status.Place != "" && g.Status.Place != place {
			how = "no instance is left at " + g.Status.Place
		}
		return w.failed(ctx, g, "the Livy server ended: "+how)
	case w.m.Now().Before(w.retryAt):
		return min(w.m.PollInterval, w.retryAt.Sub(w.m.Now())), nil
	default:
		return w.start(ctx)
	}
}

// find asks the runtime for the gateway's server.
func (w *worker) find(ctx context.Context, g *gateway.Gateway) (upstream.Instance, bool, error) {
	inst, found, err := w.m.Runtime.Find(ctx, g.ID)
	if a, ok := w.m.Runtime.(upstream.Adopter); ok && err == nil && g.Status.Instance != "" && (!found || inst.ID != g.Status.Instance) {
		a.Adopt(g.ID, g.Status.Instance)
		return w.m.Runtime.Find(ctx, g.ID)
	}
	return inst, found, err
}

// failed writes down why a server is not there, ends what there is of it and sets
// the time of the next try: 1 s after the first failure, twice as long after each
// further one.
func (w *worker) failed(ctx context.Context, g *gateway.Gateway, reason string) (time.Duration, error) {
	m := w.m
	if g.Status.Instance != "" { // else it did not come to a server, and the log is that of the one before
		if lines, err := m.Runtime.Logs(ctx, g.ID, 10); err == nil && len(lines) > 0 {
			reason += "; last lines: " + joinLines(lines)
		}
	}
	epoch := g.Status.Epoch
	updated, err := w.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning || g.Status.Epoch != epoch {
			return errUnchanged
		}
		g.Enter(gateway.StateError, reason, gateway.SystemActor, m.Now())
		clearInstance(g)
		g.Status.Condemned = epoch
		g.Status.Restarts++
		return nil
	})
	if err != nil || updated.Status.Condemned < epoch {
		return 0, err
	}
	m.Logger.Error("Livy server failed", zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.String("reason", reason))
	w.retryAt = m.Now().Add(min(m.MaxBackoff, time.Second<<min(20, max(0, updated.Status.Restarts-1))))
	if err := m.Runtime.Stop(ctx, g.ID, epoch); err != nil {
		return 0, err
	}
	return stepSoon, m.Ledger.ServerEnded(ctx, w.fence, g, "the Livy server ended unexpectedly")
}

// poll brings the records of a running server up to date.
func (w *worker) poll(ctx context.Context, g *gateway.Gateway) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := w.m.Ledger.Poll(ctx, w.fence, g, w.m.Livy(g))
	if errors.Is(err, sessions.ErrReplaced) {
		err = w.renumber(ctx, g, err.Error())
	}
	switch {
	case err == nil && w.unread.ends():
		w.m.Logger.Info("polling Livy again", zap.String("gateway", g.ID))
	case err != nil && ctx.Err() == nil && !livy.IsRefused(err) && !errors.Is(err, store.ErrFenced) && w.unread.begins(err):
		w.m.Logger.Warn("polling Livy", zap.String("gateway", g.ID), zap.Error(err))
	}
	return err
}

// renumber begins public ids above the old ones, since somebody restarted the
// Livy server behind our back.
func (w *worker) renumber(ctx context.Context, g *gateway.Gateway, reason string) error {
	m := w.m
	if err := m.Ledger.ServerEnded(ctx, w.fence, g, reason); err != nil {
		return err
	}
	nextSession, nextBatch, err := m.Store.NextIDs(ctx, w.fence, g.ID)
	if err != nil {
		return err
	}
	epoch := g.Status.Epoch
	_, err = w.update(ctx, func(g *gateway.Gateway) error {
		if g.Status.Epoch != epoch {
			return errUnchanged
		}
		g.Status.Epoch++
		g.Status.SessionBase, g.Status.BatchBase = nextSession, nextBatch
		return nil
	})
	return err
}
