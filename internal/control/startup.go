package control

import (
	"cmp"
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/upstream"
)

// start starts a server. awaitReady then waits for it to answer.
func (r *reconciler) start(ctx context.Context) (time.Duration, error) {
	m := r.m
	g, err := r.retire(ctx, gateway.StateRunning)
	if err != nil || g.Desired != gateway.StateRunning {
		return 0, err
	}
	if err := m.Runtime.Stop(ctx, g.ServerID(), g.Status.Epoch); err != nil { // leftovers
		return 0, err
	}
	// The sessions of any former server are lost now; public ids continue above all
	// that were ever issued.
	if err := m.Ledger.ServerEnded(ctx, r.fence, g, "the Livy server was restarted"); err != nil {
		return 0, err
	}
	ids, err := r.nextIDs(ctx, g)
	if err != nil {
		return 0, err
	}
	place, err := m.serverLocation(ctx)
	if err != nil {
		return r.failed(ctx, g, err.Error())
	}
	epoch, next := g.Status.Epoch, g.Status.Issued()+1
	var settings *resolved.Gateway
	g, err = r.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning || g.Status.Epoch != epoch || g.Status.Issued() != next-1 {
			return errUnchanged
		}
		g.Enter(gateway.StateStarting, "starting the Livy server", gateway.SystemActor, m.Now())
		g.Status.Since = m.Now().UTC()
		clearInstance(g)
		settings = m.resolve(g).wanted
		g.Status.Launched, g.Status.LaunchDefaults = m.launchFingerprints(settings), settings.Defaults
		g.Status.Location = place
		g.StartPrimary(ids)
		return nil
	})
	if err != nil || g.Desired != gateway.StateRunning || g.Status.Epoch != next {
		return 0, err
	}
	if settings == nil { // the epoch was written by another instance
		settings = m.resolve(g).wanted
	}
	launch, err := m.launch(g, settings)
	if err != nil {
		return r.failed(ctx, g, err.Error())
	}
	if launch.Installation, err = m.installation(ctx); err != nil {
		return 0, err
	}
	launch.Epoch = g.Status.Epoch
	launch.Confirm = func(ctx context.Context) error {
		return store.Retry(ctx, confirmTimeout,
			func(ctx context.Context) error { return m.Store.CheckFence(ctx, r.fence) })
	}
	inst, err := m.Runtime.Start(ctx, launch)
	if errors.Is(err, store.ErrFenced) {
		return 0, err
	}
	if err != nil {
		return r.failed(ctx, g, err.Error())
	}
	m.Logger.Info("Livy server started", zap.String("gateway", g.ID), zap.String("name", g.Ref()),
		zap.String("instance", inst.ID), zap.String("address", inst.Address))
	pause, err := r.adopt(ctx, g, inst)
	if errors.Is(err, store.ErrFenced) {
		r.undo(g)
	}
	return pause, err
}

// confirmTimeout bounds the last check before a start that the lease is still held.
const confirmTimeout = 2 * time.Second

// undo stops a server that was started after the lease was lost: its epoch is retired by
// the current holder of the lease, or by the next one.
func (r *reconciler) undo(g *gateway.Gateway) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	now, err := r.m.Store.Gateway(ctx, g.ID)
	if err == nil && now.Status.Retired < g.Status.Epoch {
		return // the other instance may use this server
	}
	if gateway.KindOf(err) == gateway.KindUnavailable {
		return // the holder of the lease will find the server
	}
	if err := r.m.Runtime.Stop(ctx, g.ServerID(), g.Status.Epoch); err != nil {
		r.m.Logger.Error("cannot stop a Livy server that was started after the lease was lost",
			zap.String("gateway", g.ID), zap.Error(err))
	}
}

// adopt records an instance as the gateway's server.
func (r *reconciler) adopt(
	ctx context.Context, g *gateway.Gateway, inst upstream.Instance,
) (time.Duration, error) {
	off, err := r.m.probeFusion(ctx, g)
	if err != nil {
		return r.failed(ctx, g, err.Error())
	}
	_, err = r.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning || g.Status.Epoch != inst.Epoch || g.Status.Retired >= inst.Epoch {
			return errUnchanged
		}
		g.Status.Instance, g.Status.FusionOff = inst.ID, off
		g.Status.Reason = awaits(inst)
		return nil
	})
	return stepSoon, err
}

// awaits returns what a server that does not answer yet waits for.
func awaits(inst upstream.Instance) string {
	return cmp.Or(inst.Waits, "waiting for the Livy server to answer")
}

// awaitReady checks once whether the server answers.
func (r *reconciler) awaitReady(
	ctx context.Context, g *gateway.Gateway, inst upstream.Instance,
) (time.Duration, error) {
	m := r.m
	ask, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	version, err := m.version(ask, g, inst.Address)
	if err != nil {
		waited := m.Now().Sub(g.Status.Since)
		if limit := m.settings.Load().StartTimeout; waited >= limit {
			reason := reasonSlow + limit.String()
			if inst.Waits != "" {
				reason += ": " + inst.Waits
			}
			return r.failed(ctx, g, reason)
		}
		return min(max(stepStarting, waited/20), stepSoon), r.noteWaiting(ctx, g, inst)
	}
	if wanted := m.resolve(g).wanted; !upstream.Satisfies(version, wanted.Promised) {
		return r.failed(ctx, g, wrongVersion(g, wanted, version))
	}
	_, err = r.update(ctx, func(g *gateway.Gateway) error {
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

// noteWaiting records what a starting server waits for.
func (r *reconciler) noteWaiting(ctx context.Context, g *gateway.Gateway, inst upstream.Instance) error {
	reason := awaits(inst)
	if g.Status.Reason == reason {
		return nil
	}
	_, err := r.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning || g.Status.State != gateway.StateStarting || g.Status.Instance != inst.ID || g.Status.Reason == reason {
			return errUnchanged
		}
		g.Status.Reason = reason
		return nil
	})
	return err
}
