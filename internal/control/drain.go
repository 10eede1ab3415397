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
