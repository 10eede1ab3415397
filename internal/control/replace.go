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

// stepStarting starts a server that is to replace another one or to join the serving ones, and
// waits until it answers.
func (r *reconciler) stepStarting(
	ctx context.Context, g, view *gateway.Gateway, server gateway.Server,
) (*gateway.Gateway, error) {
	if server.Joins {
		if r.m.Now().Before(server.NextStart) {
			return g, nil
		}
	} else if g.Status.State != gateway.StateRunning || !replaceable(g, &server) {
		// Its server is started again, with the present settings.
		return r.endServer(ctx, g, view, "the gateway's Livy server ended in the meantime")
	}
	inst, found, err := r.find(ctx, view)
	if err != nil {
		return g, err
	}
	if view.Status.Instance == "" && inst.Epoch < view.Status.Epoch {
		found = false // it is left from another run
	}
	switch {
	case view.Status.Instance == "" && !found:
		return r.startServer(ctx, g, view)
	case !found:
		return r.replaceFailed(ctx, g, view, "the new Livy server ended: its container or process is gone")
	case !inst.Running:
		return r.replaceFailed(ctx, g, view, "the new Livy server ended: "+inst.Exit)
	case view.Status.Instance == "": // started by a process that ended before it could record it
		return r.adoptServer(ctx, g, view, inst)
	case inst.ID != view.Status.Instance:
		return r.replaceFailed(ctx, g, view, "the new Livy server was restarted by somebody else")
	}
	return r.promoteReady(ctx, g, view, inst)
}

func (r *reconciler) startServer(ctx context.Context, g, view *gateway.Gateway) (*gateway.Gateway, error) {
	m, epoch := r.m, view.Status.Epoch
	place, err := m.serverLocation(ctx)
	if err != nil {
		return r.replaceFailed(ctx, g, view, err.Error())
	}
	var settings *resolved.Gateway
	updated, err := r.update(ctx, func(g *gateway.Gateway) error {
		v := startingServer(g, epoch)
		if v == nil {
			return errUnchanged
		}
		settings = m.resolve(g).wanted
		v.Location, v.Since = place, m.Now().UTC().Truncate(time.Millisecond)
		v.LaunchWith(g.Spec, settings.Defaults, m.launchFingerprints(settings))
		return nil
	})
	if err != nil || settings == nil || startingServer(updated, epoch) == nil {
		return updated, err
	}
	g = updated
	launch, err := m.launch(view, settings)
	if err != nil {
		return r.replaceFailed(ctx, g, view, err.Error())
	}
	if launch.Installation, err = m.installation(ctx); err != nil {
		return g, err
	}
	launch.Epoch = epoch
	launch.Confirm = func(ctx context.Context) error {
		return store.Retry(ctx, confirmTimeout,
			func(ctx context.Context) error { return m.Store.CheckFence(ctx, r.fence) })
	}
	inst, err := m.Runtime.Start(ctx, launch)
	switch {
	case errors.Is(err, store.ErrFenced) || ctx.Err() != nil:
		return g, err
	case err != nil:
		return r.replaceFailed(ctx, g, view, err.Error())
	}
	m.Logger.Info("Livy server started beside the gateway's present one", zap.String("gateway", g.ID),
		zap.String("name", g.Ref()), zap.String("instance", inst.ID), zap.String("address", inst.Address))
	return r.adoptServer(ctx, g, view, inst)
}

// replaceable reports whether the server that is to be replaced serves still.
func replaceable(g *gateway.Gateway, v *gateway.Server) bool {
	if v.Replaces == 0 {
		return v.Epoch > g.Status.Epoch
	}
	other := g.Status.Server(v.Replaces)
	return v.Replaces == g.Status.Epoch || other != nil && other.State == gateway.ServerServing
}

// startingServer returns the gateway's server with an epoch if it starts.
func startingServer(g *gateway.Gateway, epoch int64) *gateway.Server {
	v := g.Status.Server(epoch)
	if v == nil || v.State != gateway.ServerStarting || g.Desired != gateway.StateRunning {
		return nil
	}
	return v
}

// adoptServer records the instance of a server that starts.
func (r *reconciler) adoptServer(
	ctx context.Context, g, view *gateway.Gateway, inst upstream.Instance,
) (*gateway.Gateway, error) {
	off, err := r.m.probeFusion(ctx, view)
	if err != nil {
		return r.replaceFailed(ctx, g, view, err.Error())
	}
	return r.update(ctx, func(g *gateway.Gateway) error {
		v := startingServer(g, inst.Epoch)
		if v == nil {
			return errUnchanged
		}
		v.Instance, v.FusionOff = inst.ID, off
		return nil
	})
}

// promoteReady lets the new server serve if it answers.
func (r *reconciler) promoteReady(
	ctx context.Context, g, view *gateway.Gateway, inst upstream.Instance,
) (*gateway.Gateway, error) {
	m, epoch := r.m, view.Status.Epoch
	ask, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	version, err := m.version(ask, view, inst.Address)
	if err != nil {
		limit := m.settings.Load().StartTimeout
		if m.Now().Sub(g.Status.Server(epoch).Since) >= limit {
			return r.replaceFailed(ctx, g, view, "the new Livy server did not answer within "+limit.String())
		}
		return g, nil
	}
	if promised := m.resolve(g).wanted.Promised; !upstream.Satisfies(version, promised) {
		return r.replaceFailed(ctx, g, view,
			"the new Livy server has version "+version+" instead of the promised "+promised)
	}
	if g.Status.Server(epoch).Joins {
		return r.join(ctx, g, inst, version)
	}
	ids, err := r.allot(ctx, g, drainGap, g.WantedServers() > 1 || g.ServingServers() > 1)
	if err != nil {
		return g, err
	}
	promoted := false
	updated, err := r.update(ctx, func(g *gateway.Gateway) error {
		v := startingServer(g, epoch)
		promoted = v != nil && v.Instance == inst.ID && g.Status.State == gateway.StateRunning && replaceable(g, v)
		if !promoted {
			return errUnchanged
		}
		v.Address, v.LivyVersion = inst.Address, version
		g.Promote(epoch, ids, m.Now())
		return nil
	})
	if err == nil && promoted {
		m.Logger.Info("a new Livy server took over; the former one drains", zap.String("gateway", g.ID),
			zap.String("name", g.Ref()), zap.String("livy_version", version),
			zap.Int64("first_session", ids.Session), zap.Int64("first_batch", ids.Batch))
	}
	return updated, err
}

// replaceFailed records why a server did not take the place of another one, which serves on. A
// server that was to join the serving ones is started again later.
func (r *reconciler) replaceFailed(
	ctx context.Context, g, view *gateway.Gateway, reason string,
) (*gateway.Gateway, error) {
	m, epoch := r.m, view.Status.Epoch
	if view.Status.Instance != "" { // otherwise the log is that of another run
		if lines, err := m.Runtime.Logs(ctx, view.ServerID(), 10); err == nil && len(lines) > 0 {
			reason += "; last lines: " + joinLines(lines)
		}
	}
	if v := g.Status.Server(epoch); v != nil && v.Joins {
		return r.serverFailed(ctx, g, view, reason)
	}
	m.Logger.Error("a Livy server could not be replaced; it serves on", zap.String("gateway", g.ID),
		zap.String("name", g.Ref()), zap.String("reason", reason))
	return r.update(ctx, func(g *gateway.Gateway) error {
		now := m.Now()
		if !g.Status.EndServers(reason, now, func(v *gateway.Server) bool { return v.Epoch == epoch }) {
			return errUnchanged
		}
		g.Status.ReplaceFailure = &gateway.Failure{Time: now.UTC().Truncate(time.Millisecond), Reason: reason}
		g.Status.Rolling = nil
		return nil
	})
}
