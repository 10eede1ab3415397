package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/livy"
	"github.com/livygateway/livygateway/sessions"
	"github.com/livygateway/livygateway/upstream"
)

// worker brings one gateway's Livy server to where it is wanted, one step at a
// time. It is the only one that starts servers; the state it works from is in
// Redis, so that any process can go on where another one ended.
type worker struct {
	m       *Manager
	id      string
	kicked  chan struct{}
	soon    chan struct{} // somebody wants a poll out of turn
	cancel  context.CancelFunc
	runtime sync.Mutex // held during calls to the runtime

	retryAt time.Time // no start before this
	checked bool      // a server of a stopped gateway was looked for
	idle    idleness
	refusal refusal
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

// employ starts workers for new gateways and ends those of deleted ones.
func (m *Manager) employ() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx == nil || m.ctx.Err() != nil {
		return
	}
	picture := m.view.current.Load()
	for id := range picture.byID {
		if m.workers[id] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(m.ctx)
		w := &worker{m: m, id: id, kicked: make(chan struct{}, 1), soon: make(chan struct{}, 1), cancel: cancel}
		m.workers[id] = w
		m.wg.Go(func() { w.run(ctx) })
	}
	for id, w := range m.workers {
		if picture.byID[id] == nil {
			w.cancel()
			delete(m.workers, id)
		} else {
			w.kick()
		}
	}
}

// kick makes a gateway's worker look at once.
func (m *Manager) kick(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w := m.workers[id]; w != nil {
		w.kick()
	}
}

// PollSoon makes a gateway's worker look at its Livy server at once, or within a
// second if it has just done so. It never waits. On another instance than the one
// that supervises the gateway it does nothing.
func (m *Manager) PollSoon(id string) {
	m.mu.Lock()
	w := m.workers[id]
	m.mu.Unlock()
	if w == nil {
		return
	}
	select {
	case w.soon <- struct{}{}:
	default:
	}
}

// lock keeps the worker of a gateway from using the runtime.
func (m *Manager) lock(id string) (unlock func()) {
	m.mu.Lock()
	w := m.workers[id]
	m.mu.Unlock()
	if w == nil {
		return func() {}
	}
	w.runtime.Lock()
	return w.runtime.Unlock
}

func (w *worker) kick() {
	select {
	case w.kicked <- struct{}{}:
	default:
	}
}

func (w *worker) run(ctx context.Context) {
	var seen int64 = -1
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
			// Refreshes kick too; only a change is worth a step out of turn.
			if e := w.entry(); e == nil || e.Gateway.Revision == seen {
				continue
			}
		}
		pause := w.step(ctx)
		last = time.Now()
		next = last.Add(pause)
		timer.Reset(pause)
		if e := w.entry(); e != nil {
			seen = e.Gateway.Revision
		}
	}
}

func (w *worker) entry() *Entry {
	p := w.m.view.current.Load()
	if p == nil {
		return nil
	}
	return p.byID[w.id]
}

// step does what is next for the gateway and returns the pause after it.
func (w *worker) step(ctx context.Context) time.Duration {
	e := w.entry()
	if e == nil {
		return w.m.PollInterval
	}
	w.runtime.Lock()
	defer w.runtime.Unlock()
	// The picture may be a moment old: decide on what is stored.
	g, err := w.m.Store.Gateway(ctx, w.id)
	if err != nil {
		return stepError
	}
	var pause time.Duration
	if g.Desired == gateway.StateRunning {
		pause, err = w.keepRunning(ctx, g)
	} else {
		pause, err = w.keepStopped(ctx, g)
	}
	if err != nil && ctx.Err() == nil {
		w.m.Logger.Error("supervising gateway",
			zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.Error(err))
		return stepError
	}
	return pause
}

func (w *worker) keepStopped(ctx context.Context, g *gateway.Gateway) (time.Duration, error) {
	m := w.m
	if w.checked && (g.Status.State == gateway.StateStopped || g.Status.State == gateway.StateCreated) {
		return m.PollInterval, nil
	}
	if err := m.Runtime.Stop(ctx, g.ID); err != nil {
		return 0, err
	}
	w.checked = true
	if g.Status.State == gateway.StateStopped || g.Status.State == gateway.StateCreated {
		return m.PollInterval, nil
	}
	if err := m.Ledger.ServerEnded(ctx, g, "the gateway was stopped"); err != nil {
		return 0, err
	}
	_, err := m.update(ctx, g.ID, func(g *gateway.Gateway) error {
		if g.Desired == gateway.StateRunning {
			return errUnchanged // started again in the meantime
		}
		g.Enter(gateway.StateStopped, "", gateway.SystemActor, m.Now())
		clearInstance(g)
		return nil
	})
	m.Logger.Info("gateway stopped", zap.String("gateway", g.ID), zap.String("name", g.Ref()))
	return m.PollInterval, err
}

func (w *worker) keepRunning(ctx context.Context, g *gateway.Gateway) (time.Duration, error) {
	w.checked = false
	inst, found, err := w.find(ctx, g)
	if err != nil {
		return 0, err
	}
	switch {
	case found && inst.Running && inst.ID == g.Status.Instance && g.Status.State == gateway.StateRunning:
		if w.refused(g) {
			return w.m.PollInterval, nil
		}
		err := w.see(ctx, g, w.poll(ctx, g))
		if err != nil || w.refused(g) {
			return w.m.PollInterval, err
		}
		return w.m.PollInterval, w.stopIfIdle(ctx, g)
	case found && inst.Running && inst.ID == g.Status.Instance && g.Status.State == gateway.StateStarting:
		return w.awaitReady(ctx, g, inst)
	case found && inst.Running && inst.ID != g.Status.Instance && g.Status.State == gateway.StateStarting:
		// Started by a process that ended before it could write it down.
		return stepSoon, w.adopt(ctx, g, inst)
	case g.Status.State == gateway.StateRunning || g.Status.State == gateway.StateStarting && g.Status.Instance != "":
		how := "its container or process is gone"
		if found {
			how = inst.Exit
		}
		return w.failed(ctx, g, "the Livy server ended: "+how)
	case w.m.Now().Before(w.retryAt):
		return min(w.m.PollInterval, w.retryAt.Sub(w.m.Now())), nil
	default:
		return w.start(ctx, g)
	}
}

// find asks the runtime for the gateway's server.
func (w *worker) find(ctx context.Context, g *gateway.Gateway) (upstream.Instance, bool, error) {
	inst, found, err := w.m.Runtime.Find(ctx, g.ID)
	if a, ok := w.m.Runtime.(upstream.Adopter); ok && err == nil && !found && g.Status.Instance != "" {
		a.Adopt(g.ID, g.Status.Instance)
		return w.m.Runtime.Find(ctx, g.ID)
	}
	return inst, found, err
}

// start starts a server; awaitReady follows it up.
func (w *worker) start(ctx context.Context, g *gateway.Gateway) (time.Duration, error) {
	m := w.m
	// Whatever a former server held is lost now; ids go on above everything
	// that was ever given out.
	if err := m.Ledger.ServerEnded(ctx, g, "the Livy server was restarted"); err != nil {
		return 0, err
	}
	if err := m.Runtime.Stop(ctx, g.ID); err != nil { // leftovers
		return 0, err
	}
	nextSession, nextBatch, err := m.Store.NextIDs(ctx, g.ID)
	if err != nil {
		return 0, err
	}
	g, err = m.update(ctx, g.ID, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning {
			return errUnchanged
		}
		g.Enter(gateway.StateStarting, "starting the Livy server", gateway.SystemActor, m.Now())
		g.Status.Since = m.Now().UTC()
		clearInstance(g)
		g.Status.Launched = g.Spec.LaunchMarks(m.Catalog())
		g.Status.Epoch++
		g.Status.SessionBase, g.Status.BatchBase = nextSession, nextBatch
		return nil
	})
	if err != nil || g.Desired != gateway.StateRunning {
		return 0, err
	}
	launch, err := m.launch(g)
	if err != nil {
		return w.failed(ctx, g, err.Error())
	}
	if launch.Installation, err = m.installation(ctx); err != nil {
		return 0, err
	}
	inst, err := m.Runtime.Start(ctx, launch)
	if err != nil {
		return w.failed(ctx, g, err.Error())
	}
	m.Logger.Info("Livy server started", zap.String("gateway", g.ID), zap.String("name", g.Ref()),
		zap.String("instance", inst.ID), zap.String("address", inst.Address))
	return stepSoon, w.adopt(ctx, g, inst)
}

func (w *worker) adopt(ctx context.Context, g *gateway.Gateway, inst upstream.Instance) error {
	_, err := w.m.update(ctx, g.ID, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning {
			return errUnchanged
		}
		g.Status.Instance = inst.ID
		g.Status.Reason = "waiting for the Livy server to answer"
		return nil
	})
	return err
}

// awaitReady looks once whether the server answers.
func (w *worker) awaitReady(ctx context.Context, g *gateway.Gateway, inst upstream.Instance) (time.Duration, error) {
	m := w.m
	ask, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	version, err := m.version(ask, g, inst.Address)
	if err != nil {
		if limit := m.settings.Load().StartTimeout; m.Now().Sub(g.Status.Since) >= limit {
			return w.failed(ctx, g, "the Livy server did not answer within "+limit.String())
		}
		return stepSoon, nil
	}
	if !upstream.Satisfies(version, g.Spec.LivyVersion) {
		return w.failed(ctx, g, "the Livy server is version "+version+", not "+g.Spec.LivyVersion+" as promised")
	}
	_, err = m.update(ctx, g.ID, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning {
			return errUnchanged
		}
		g.Enter(gateway.StateRunning, "", gateway.SystemActor, m.Now())
		g.Status.Address, g.Status.LivyVersion = inst.Address, version
		return nil
	})
	if err == nil {
		m.Logger.Info("gateway running", zap.String("gateway", g.ID), zap.String("name", g.Ref()),
			zap.String("livy_version", version))
	}
	return m.PollInterval, err
}

// failed writes down why a server is not there and sets the time of the next
// try: 1 s after the first failure, twice as long after each further one.
func (w *worker) failed(ctx context.Context, g *gateway.Gateway, reason string) (time.Duration, error) {
	m := w.m
	if g.Status.Instance != "" { // else it did not come to a server, and the log is that of the one before
		if lines, err := m.Runtime.Logs(ctx, g.ID, 10); err == nil && len(lines) > 0 {
			reason += "; last lines: " + joinLines(lines)
		}
	}
	m.Logger.Error("Livy server failed", zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.String("reason", reason))
	if err := m.Runtime.Stop(ctx, g.ID); err != nil {
		return 0, err
	}
	if err := m.Ledger.ServerEnded(ctx, g, "the Livy server ended unexpectedly"); err != nil {
		return 0, err
	}
	updated, err := m.update(ctx, g.ID, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning {
			return errUnchanged
		}
		g.Enter(gateway.StateError, reason, gateway.SystemActor, m.Now())
		clearInstance(g)
		g.Status.Restarts++
		return nil
	})
	if err != nil {
		return 0, err
	}
	w.retryAt = m.Now().Add(min(m.MaxBackoff, time.Second<<min(20, max(0, updated.Status.Restarts-1))))
	return stepSoon, nil
}

// poll brings the records of a running server up to date.
func (w *worker) poll(ctx context.Context, g *gateway.Gateway) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := w.m.Ledger.Poll(ctx, g, w.m.Livy(g))
	if errors.Is(err, sessions.ErrReplaced) {
		err = w.renumber(ctx, g, err.Error())
	}
	if err != nil && ctx.Err() == nil && !livy.IsRefused(err) {
		w.m.Logger.Warn("polling Livy", zap.String("gateway", g.ID), zap.Error(err))
	}
	return err
}

// renumber begins public ids above the old ones, since somebody restarted the
// Livy server behind our back.
func (w *worker) renumber(ctx context.Context, g *gateway.Gateway, reason string) error {
	m := w.m
	if err := m.Ledger.ServerEnded(ctx, g, reason); err != nil {
		return err
	}
	nextSession, nextBatch, err := m.Store.NextIDs(ctx, g.ID)
	if err != nil {
		return err
	}
	epoch := g.Status.Epoch
	_, err = m.update(ctx, g.ID, func(g *gateway.Gateway) error {
		if g.Status.Epoch != epoch {
			return errUnchanged
		}
		g.Status.Epoch++
		g.Status.SessionBase, g.Status.BatchBase = nextSession, nextBatch
		return nil
	})
	return err
}
