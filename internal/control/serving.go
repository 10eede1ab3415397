package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/upstream"
)

const (
	// rangeSize is the number of public ids of each of several servers. Servers that somebody
	// else runs may have used many of their own ids already.
	rangeSize         = 100_000
	externalRangeSize = 1_000_000
	// rangeReserve is how many ids a server has left when it is replaced by another one.
	rangeReserve = 2000
)

// allot returns public ids that follow all others after a gap. They are bounded for one of several
// servers.
func (r *reconciler) allot(ctx context.Context, g *gateway.Gateway, gap int64, bounded bool) (gateway.IDRange, error) {
	size := int64(rangeSize)
	if r.m.external() {
		size = externalRangeSize
	}
	if !bounded {
		size = 0
	}
	session, batch, err := r.m.Store.SkipIDs(ctx, r.fence, g.ID, gap+size)
	if err != nil || !bounded {
		return gateway.IDRange{Session: session, Batch: batch}, err
	}
	return gateway.IDRange{Session: session - size, SessionEnd: session, Batch: batch - size, BatchEnd: batch}, nil
}

// nextIDs returns the public ids of a primary server that begins anew.
func (r *reconciler) nextIDs(ctx context.Context, g *gateway.Gateway) (gateway.IDRange, error) {
	return r.allot(ctx, g, 0, g.WantedServers() > 1 || g.Status.Bounded() && len(g.Status.Servers) > 0)
}

// join lets a server that answers serve beside the others.
func (r *reconciler) join(
	ctx context.Context, g *gateway.Gateway, inst upstream.Instance, version string,
) (*gateway.Gateway, error) {
	m := r.m
	if !g.Status.Bounded() {
		// The primary server's ids end here.
		if _, err := r.allot(ctx, g, drainGap, true); err != nil {
			return g, err
		}
	}
	ids := gateway.IDRange{}
	if v := g.Status.Server(inst.Epoch); v.SessionEnd > 0 { // it was to be the primary one
		ids = v.IDs()
	} else {
		var err error
		if ids, err = r.allot(ctx, g, drainGap, true); err != nil {
			return g, err
		}
	}
	joined := false
	updated, err := r.update(ctx, func(g *gateway.Gateway) error {
		v := startingServer(g, inst.Epoch)
		if joined = v != nil && v.Joins && v.Instance == inst.ID; !joined {
			return errUnchanged
		}
		if g.Status.SessionEnd == 0 && g.Status.SessionBase < ids.Session {
			g.Status.SessionEnd, g.Status.BatchEnd = ids.Session-drainGap, ids.Batch-drainGap
		}
		v.Address, v.LivyVersion = inst.Address, version
		g.Join(inst.Epoch, ids, m.Now())
		return nil
	})
	if err == nil && joined {
		m.Logger.Info("a Livy server serves beside the gateway's others", zap.String("gateway", g.ID),
			zap.String("name", g.Ref()), zap.String("livy_version", version), zap.Int64("first_session", ids.Session),
			zap.Int64("first_batch", ids.Batch), zap.Int("serving", updated.ServingServers()))
	}
	return updated, err
}

// ensureServers begins and ends what the number of serving servers, their failures, and a rolling
// restart require.
func (r *reconciler) ensureServers(ctx context.Context, g *gateway.Gateway) (*gateway.Gateway, error) {
	m := r.m
	if g.Desired != gateway.StateRunning {
		return g, nil
	}
	surplus, err := r.surplus(ctx, g)
	if err != nil || !m.changesServers(g, surplus) {
		return g, err
	}
	return r.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning || !m.changesServers(g, surplus) {
			return errUnchanged
		}
		return nil
	})
}

// changesServers makes the next change to a gateway's servers, and reports whether there was one.
// surplus is the epoch of a server that the gateway is not to have any more, or 0.
func (m *Manager) changesServers(g *gateway.Gateway, surplus int64) bool {
	s, now := &g.Status, m.Now()
	switch s.State {
	case gateway.StateStarting, gateway.StateError:
		if next := s.Successor(); next != 0 {
			g.TakeOverEarly(next, now)
			return true
		}
	case gateway.StateRunning:
	default:
		return false
	}
	if missing := g.MissingServers(); missing > 0 {
		return g.AddServer(m.mostServers(g), now)
	} else if v := s.Server(surplus); missing < 0 && v != nil {
		if v.State == gateway.ServerServing {
			g.DrainServer(surplus, now.Add(gateway.DefaultDrain).UTC().Truncate(time.Second), now)
			return true
		}
		return s.EndServers("the gateway has fewer servers now", now, func(v *gateway.Server) bool { return v.Epoch == surplus })
	}
	if s.State != gateway.StateRunning {
		return false
	}
	if s.Rolling != nil {
		next := g.NextRoll()
		if next < 0 {
			s.Rolling = nil
			return true
		}
		return next > 0 && g.ReplaceServer(next, time.Duration(s.Rolling.DrainSeconds)*time.Second, now)
	}
	if worn := m.worn(g); worn > 0 {
		return g.ReplaceServer(worn, gateway.DefaultDrain, now)
	}
	return false
}

// mostServers returns how many Livy servers the gateway may have at the same time. There are no
// more servers that somebody else runs than URLs.
func (m *Manager) mostServers(g *gateway.Gateway) int {
	if m.external() {
		return 1 + len(m.resolve(g).wanted.Engine.URLs)
	}
	return g.MostServers()
}

// surplus returns the epoch of a server that the gateway is not to have any more, or 0: one that
// starts, or the one with the fewest sessions and batches.
func (r *reconciler) surplus(ctx context.Context, g *gateway.Gateway) (int64, error) {
	if g.MissingServers() >= 0 {
		return 0, nil
	}
	live, err := r.m.Ledger.LivingByEpoch(ctx, g.ID)
	if err != nil {
		return 0, err
	}
	var surplus, least int64
	for i := range g.Status.Servers {
		v := &g.Status.Servers[i]
		if v.State == gateway.ServerStarting && v.Joins {
			return v.Epoch, nil
		}
		n := int64(live[v.Epoch].Sessions + live[v.Epoch].Batches)
		if v.State == gateway.ServerServing && (surplus == 0 || n < least) {
			surplus, least = v.Epoch, n
		}
	}
	return surplus, nil
}

// worn returns the epoch of a serving server that has nearly used up its public ids, or 0. Such a
// server is replaced, unless another one is being replaced.
func (m *Manager) worn(g *gateway.Gateway) int64 {
	if m.external() || g.Status.SessionEnd == 0 {
		return 0
	}
	var worn int64
	if m.full(g, rangeReserve) {
		worn = g.Status.Epoch
	}
	for i := range g.Status.Servers {
		switch v := &g.Status.Servers[i]; {
		case v.State == gateway.ServerStarting && !v.Joins:
			return 0
		case v.State == gateway.ServerServing && m.full(g.At(i), rangeReserve):
			worn = v.Epoch
		}
	}
	return worn
}

// full reports whether the primary server of g has fewer public ids left than a reserve.
func (m *Manager) full(g *gateway.Gateway, reserve int64) bool {
	ids := g.Status.IDs()
	if ids.SessionEnd == 0 {
		return false
	}
	session, batch := m.Ledger.Highest(g)
	return session >= ids.SessionEnd-reserve || batch >= ids.BatchEnd-reserve
}

// stepServing supervises a server that serves beside the primary one.
func (r *reconciler) stepServing(
	ctx context.Context, g, view *gateway.Gateway, server gateway.Server,
) (*gateway.Gateway, error) {
	m := r.m
	if how, err := r.goneServer(ctx, view, server); err != nil {
		return g, err
	} else if how != "" {
		return r.serverFailed(ctx, g, view, reasonEnded+how)
	}
	began := m.Now()
	_, silent := r.silentServers[server.Epoch]
	silent = silent || !server.UnresponsiveSince.IsZero()
	if silent && !r.probe(ctx, view) {
		return r.servingSilent(ctx, g, view, server, began)
	}
	polling, cancel := context.WithTimeout(ctx, pollTimeout)
	lister := &answerObserver{Lister: m.Livy(view)}
	err := m.Ledger.Poll(polling, r.fence, view, lister)
	cancel()
	switch {
	case errors.Is(err, store.ErrFenced) || ctx.Err() != nil:
		return g, err
	case errors.Is(err, sessions.ErrReplaced):
		return r.serverFailed(ctx, g, view, err.Error())
	case lister.failed && !r.probe(ctx, view):
		return r.servingSilent(ctx, g, view, server, began)
	case err != nil && !livy.IsRefused(err):
		return g, err
	}
	delete(r.silentServers, server.Epoch)
	healthy := server.Restarts > 0 && m.Now().Sub(server.Since) >= healthyAfter
	if server.UnresponsiveSince.IsZero() && !healthy {
		return g, nil
	}
	return r.updateServing(ctx, server.Epoch, func(v *gateway.Server) {
		v.UnresponsiveSince = time.Time{}
		if healthy {
			v.Restarts, v.NextStart, v.LastFailure = 0, time.Time{}, nil
		}
	})
}

// updateServing changes the entry of a serving server.
func (r *reconciler) updateServing(
	ctx context.Context, epoch int64, change func(*gateway.Server),
) (*gateway.Gateway, error) {
	return r.update(ctx, func(g *gateway.Gateway) error {
		v := g.Status.Server(epoch)
		if v == nil || v.State != gateway.ServerServing {
			return errUnchanged
		}
		change(v)
		return nil
	})
}

// servingSilent handles a serving server that has not answered since began or longer; see
// reconciler.silent.
func (r *reconciler) servingSilent(
	ctx context.Context, g, view *gateway.Gateway, server gateway.Server, began time.Time,
) (*gateway.Gateway, error) {
	m := r.m
	if ctx.Err() != nil {
		return g, ctx.Err()
	}
	if r.silentServers == nil {
		r.silentServers = make(map[int64]time.Time)
	}
	since, ok := r.silentServers[server.Epoch]
	if !ok {
		if since = server.UnresponsiveSince; since.IsZero() {
			since = began
		}
		r.silentServers[server.Epoch] = since
	}
	silence, limits := m.Now().Sub(since), m.settings.Load()
	limit := limits.RestartUnresponsive
	if m.external() {
		limit = -1
		if m.moved(view) {
			limit = limits.UnresponsiveAfter
		}
	}
	if limit > 0 && silence >= limit {
		return r.serverFailed(ctx, g, view, fmt.Sprintf(reasonSilent+"%s, for more than %s",
			since.UTC().Format(time.RFC3339), limit))
	}
	if !server.UnresponsiveSince.IsZero() || silence < limits.UnresponsiveAfter {
		return g, nil
	}
	m.Logger.Warn("a Livy server of the gateway does not answer", zap.String("gateway", g.ID),
		zap.String("name", g.Ref()), zap.Int("number", server.Number), zap.Time("since", since))
	return r.updateServing(ctx, server.Epoch, func(v *gateway.Server) {
		v.UnresponsiveSince = since.UTC().Truncate(time.Millisecond)
	})
}

// serverFailed records why a server beside the primary one failed. It is stopped then, which ends
// its sessions and batches, and started again after a pause. The other servers serve on.
func (r *reconciler) serverFailed(
	ctx context.Context, g, view *gateway.Gateway, reason string,
) (*gateway.Gateway, error) {
	m, epoch := r.m, view.Status.Epoch
	v := g.Status.Server(epoch)
	if v != nil && v.State == gateway.ServerServing {
		if lines, err := m.Runtime.Logs(ctx, view.ServerID(), 10); err == nil && len(lines) > 0 {
			reason += "; last lines: " + joinLines(lines)
		}
	}
	updated, err := r.update(ctx, func(g *gateway.Gateway) error {
		if g.Desired != gateway.StateRunning || !g.FailServer(epoch, reason, m.Now(), m.MaxBackoff) {
			return errUnchanged
		}
		return nil
	})
	if err == nil {
		delete(r.silentServers, epoch)
		m.reportFailure(updated, epoch)
		m.Logger.Error("a Livy server of the gateway failed; it is started again",
			zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.Int("number", view.Status.PrimaryNumber()),
			zap.String("reason", reason), zap.Int("serving", updated.ServingServers()))
	}
	return updated, err
}
