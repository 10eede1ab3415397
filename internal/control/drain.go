package control

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/upstream"
)

const (
	// drainLeast is how long a server drains at least. Until then, instances that have not
	// learnt of its successor may send creates to it.
	drainLeast = 15 * time.Second
	// drainGap is the number of public ids between those issued when a server begins to drain
	// and those of its successor: for creates that are still sent to it.
	drainGap = 1000
)

// stepServers takes the next step for each of the servers beside the primary one. As with the
// primary server, what a server is to become is stored before anything is done to it, so that
// any instance can continue. Failures do not keep the primary server from being supervised.
func (r *reconciler) stepServers(ctx context.Context, g *gateway.Gateway) (*gateway.Gateway, error) {
	if len(g.Status.Servers) == 0 {
		r.silentServers = nil
		return r.ensureServers(ctx, g)
	}
	if g.Desired != gateway.StateRunning {
		updated, err := r.endServers(ctx, g, "the gateway was stopped", nil)
		if err != nil {
			return g, err
		}
		g = updated
	}
	epochs := make([]int64, len(g.Status.Servers))
	for i := range g.Status.Servers {
		epochs[i] = g.Status.Servers[i].Epoch
	}
	for _, epoch := range epochs {
		updated, err := r.stepServer(ctx, g, epoch)
		switch {
		case err == nil:
			g = updated
		case errors.Is(err, store.ErrFenced) || ctx.Err() != nil || g.Desired != gateway.StateRunning:
			return g, err
		case r.stuckServer.begins(err):
			r.m.Logger.Error("cannot supervise a Livy server beside the gateway's primary one",
				zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.Error(err))
		}
		if err == nil && r.stuckServer.ends() {
			r.m.Logger.Info("supervising all Livy servers of the gateway again",
				zap.String("gateway", g.ID), zap.String("name", g.Ref()))
		}
	}
	return r.ensureServers(ctx, g)
}

// serversPause shortens the pause to the next step while a server starts or ends.
func serversPause(g *gateway.Gateway, pause time.Duration, now time.Time) time.Duration {
	for i := range g.Status.Servers {
		switch v := &g.Status.Servers[i]; {
		case v.InUse():
		case v.State == gateway.ServerStarting && now.Before(v.NextStart):
			pause = min(pause, max(stepGap, v.NextStart.Sub(now)))
		default:
			return min(pause, stepGap)
		}
	}
	return pause
}

func (r *reconciler) stepServer(ctx context.Context, g *gateway.Gateway, epoch int64) (*gateway.Gateway, error) {
	for i := range g.Status.Servers {
		server := g.Status.Servers[i]
		if server.Epoch != epoch {
			continue
		}
		switch view := g.At(i); server.State {
		case gateway.ServerStarting:
			return r.stepStarting(ctx, g, view, server)
		case gateway.ServerServing:
			return r.stepServing(ctx, g, view, server)
		case gateway.ServerDraining:
			return r.stepDraining(ctx, g, view, server)
		default:
			return r.removeServer(ctx, g, view, server.Reason)
		}
	}
	return g, nil
}

// endServers marks servers to be stopped; see gateway.Status.EndServers.
func (r *reconciler) endServers(
	ctx context.Context, g *gateway.Gateway, reason string, f func(*gateway.Server) bool,
) (*gateway.Gateway, error) {
	desired := g.Desired
	return r.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != desired || !g.Status.EndServers(reason, r.m.Now(), f) {
			return errUnchanged
		}
		return nil
	})
}

func (r *reconciler) endServer(
	ctx context.Context, g, view *gateway.Gateway, reason string,
) (*gateway.Gateway, error) {
	r.m.Logger.Info("ending a Livy server beside the gateway's primary one", zap.String("gateway", g.ID),
		zap.String("name", g.Ref()), zap.Int("number", view.Status.PrimaryNumber()), zap.String("reason", reason))
	return r.endServers(ctx, g, reason, func(v *gateway.Server) bool { return v.Epoch == view.Status.Epoch })
}

// removeServer ends the records of a server that is to end, stops it and forgets it.
func (r *reconciler) removeServer(
	ctx context.Context, g, view *gateway.Gateway, reason string,
) (*gateway.Gateway, error) {
	m, epoch := r.m, view.Status.Epoch
	if err := m.Ledger.ServerEnded(ctx, r.fence, view, reason); err != nil {
		return g, err
	}
	if err := m.Runtime.Stop(ctx, view.ServerID(), epoch); err != nil {
		return g, err
	}
	return r.update(ctx, func(g *gateway.Gateway) error {
		if v := g.Status.Server(epoch); v == nil || v.State != gateway.ServerEnding {
			return errUnchanged
		}
		g.Status.DropServer(epoch, m.Now())
		return nil
	})
}

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

// stepDraining polls a server that drains, and ends it once nothing lives on it any more or its
// time has passed.
func (r *reconciler) stepDraining(
	ctx context.Context, g, view *gateway.Gateway, server gateway.Server,
) (*gateway.Gateway, error) {
	m := r.m
	if how, err := r.goneServer(ctx, view, server); err != nil {
		return g, err
	} else if how != "" {
		return r.endServer(ctx, g, view, reasonEnded+how)
	}
	// The lists of a silent server would take all of pollTimeout.
	now := m.Now()
	if _, silent := r.silentServers[server.Epoch]; silent && now.Before(server.DrainUntil) && !r.probe(ctx, view) {
		return r.silentServer(ctx, g, view)
	}
	polling, cancel := context.WithTimeout(ctx, pollTimeout)
	err := m.Ledger.Poll(polling, r.fence, view, m.Livy(view))
	cancel()
	switch {
	case errors.Is(err, store.ErrFenced) || ctx.Err() != nil:
		return g, err
	case errors.Is(err, sessions.ErrReplaced):
		return r.endServer(ctx, g, view, err.Error())
	case !now.Before(server.DrainUntil):
		return r.endServer(ctx, g, view,
			"the server was drained until "+server.DrainUntil.Format(time.RFC3339)+", and stopped then")
	case livy.IsRefused(err):
		return g, nil // what lives on it cannot be seen, so it drains until its time has passed
	case err != nil:
		return r.silentServer(ctx, g, view)
	}
	delete(r.silentServers, server.Epoch)
	if now.Sub(server.Since) < drainLeast {
		return g, nil
	}
	live, err := m.Ledger.Living(ctx, view)
	if err != nil || live.Sessions+live.Batches > 0 {
		return g, err
	}
	return r.endServer(ctx, g, view, "the server was drained")
}

// goneServer returns how the server of a view ended, or "" if it has not.
func (r *reconciler) goneServer(
	ctx context.Context, view *gateway.Gateway, server gateway.Server,
) (how string, err error) {
	inst, found, err := r.find(ctx, view)
	switch {
	case err != nil:
		return "", err
	case found && !inst.Running:
		return inst.Exit, nil
	case found && inst.ID == server.Instance:
		return "", nil
	}
	if at := server.Location; at != "" && at != r.m.leaseholder.currentLocation() {
		return "no instance is left at " + at, nil
	}
	return "its container or process is gone", nil
}

// silentServer handles a draining server that does not answer: it is given up after the time
// after which the primary one would be restarted.
func (r *reconciler) silentServer(ctx context.Context, g, view *gateway.Gateway) (*gateway.Gateway, error) {
	if r.silentServers == nil {
		r.silentServers = make(map[int64]time.Time)
	}
	if ctx.Err() != nil {
		return g, ctx.Err()
	}
	now, epoch := r.m.Now(), view.Status.Epoch
	since, ok := r.silentServers[epoch]
	if !ok {
		r.silentServers[epoch] = now
		return g, nil
	}
	limit := r.m.settings.Load().RestartUnresponsive
	if limit < 0 || r.m.external() || now.Sub(since) < limit {
		return g, nil
	}
	return r.endServer(ctx, g, view, "the Livy server has not answered since "+since.UTC().Format(time.RFC3339))
}
