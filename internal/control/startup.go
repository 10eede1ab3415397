package control

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/upstream"
)

// start starts a server; awaitReady follows it up.
func (w *worker) start(ctx context.Context) (time.Duration, error) {
	m := w.m
	g, err := w.condemn(ctx, gateway.StateRunning)
	if err != nil || g.Desired != gateway.StateRunning {
		return 0, err
	}
	if err := m.Runtime.Stop(ctx, g.ID, g.Status.Epoch); err != nil { // leftovers
		return 0, err
	}
	// Whatever a former server held is lost now; ids go on above everything
	// that was ever given out.
	if err := m.Ledger.ServerEnded(ctx, w.fence, g, "the Livy server was restarted"); err != nil {
		return 0, err
	}
	nextSession, nextBatch, err := m.Store.NextIDs(ctx, w.fence, g.ID)
	if err != nil {
		return 0, err
	}
	place, err := m.placeOfServers(ctx)
	if err != nil {
		return w.failed(ctx, g, err.Error())
	}
	epoch := g.Status.Epoch
	var settings *resolved.Gateway
	g, err = w.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning || g.Status.Epoch != epoch {
			return errUnchanged
		}
		g.Enter(gateway.StateStarting, "starting the Livy server", gateway.SystemActor, m.Now())
		g.Status.Since = m.Now().UTC()
		clearInstance(g)
		settings = m.resolve(g).wanted
		g.Status.Launched, g.Status.LaunchDefaults = m.launchMarks(settings), settings.Defaults
		g.Status.Epoch++
		g.Status.Place = place
		g.Status.SessionBase, g.Status.BatchBase = nextSession, nextBatch
		return nil
	})
	if err != nil || g.Desired != gateway.StateRunning || g.Status.Epoch != epoch+1 {
		return 0, err
	}
	if settings == nil { // another instance has written this epoch
		settings = m.resolve(g).wanted
	}
	launch, err := m.launch(g, settings)
	if err != nil {
		return w.failed(ctx, g, err.Error())
	}
	if launch.Installation, err = m.installation(ctx); err != nil {
		return 0, err
	}
	launch.Epoch = g.Status.Epoch
	launch.Confirm = func(ctx context.Context) error {
		return store.Retry(ctx, confirmPatience, func(ctx context.Context) error { return m.Store.CheckFence(ctx, w.fence) })
	}
	inst, err := m.Runtime.Start(ctx, launch)
	if errors.Is(err, store.ErrFenced) {
		return 0, err
	}
	if err != nil {
		return w.failed(ctx, g, err.Error())
	}
	m.Logger.Info("Livy server started", zap.String("gateway", g.ID), zap.String("name", g.Ref()),
		zap.String("instance", inst.ID), zap.String("address", inst.Address))
	pause, err := w.adopt(ctx, g, inst)
	if errors.Is(err, store.ErrFenced) {
		w.undo(g)
	}
	return pause, err
}

// confirmPatience bounds the last question before a start, whether the lease is
// still held.
const confirmPatience = 2 * time.Second

// undo ends a server that was started while the gateway was lost: its epoch is
// condemned by whoever has the gateway now, or will be.
func (w *worker) undo(g *gateway.Gateway) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	now, err := w.m.Store.Gateway(ctx, g.ID)
	if err == nil && now.Status.Condemned < g.Status.Epoch {
		return // it is the other one's to use
	}
	if gateway.KindOf(err) == gateway.KindUnavailable {
		return // who has it finds it
	}
	if err := w.m.Runtime.Stop(ctx, g.ID, g.Status.Epoch); err != nil {
		w.m.Logger.Error("ending a server that was started too late", zap.String("gateway", g.ID), zap.Error(err))
	}
}

// adopt writes down which server is the gateway's.
func (w *worker) adopt(ctx context.Context, g *gateway.Gateway, inst upstream.Instance) (time.Duration, error) {
	off, err := w.m.probeFusion(ctx, g)
	if err != nil {
		return w.failed(ctx, g, err.Error())
	}
	_, err = w.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning || g.Status.Epoch != inst.Epoch || g.Status.Condemned >= inst.Epoch {
			return errUnchanged
		}
		g.Status.Instance, g.Status.FusionOff = inst.ID, off
		g.Status.Reason = "waiting for the Livy server to answer"
		return nil
	})
	return stepSoon, err
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
	if promised := m.resolve(g).wanted.Promised; !upstream.Satisfies(version, promised) {
		return w.failed(ctx, g, "the Livy server is version "+version+", not "+promised+" as promised")
	}
	_, err = w.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning || g.Status.Instance != inst.ID {
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
