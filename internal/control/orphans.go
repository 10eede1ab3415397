package control

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// installation returns the name that tells this installation's servers from those of
// other installations on the same machine.
func (m *Manager) installation(ctx context.Context) (string, error) {
	if name := m.installed.Load(); name != nil {
		return *name, nil
	}
	proposal, err := gateway.NewID("in-", m.Rand)
	if err != nil {
		return "", err
	}
	name, err := m.Store.Installation(ctx, proposal)
	if err == nil {
		m.installed.Store(&name)
	}
	return name, err
}

// reapInterval is the pause between two searches for orphans.
const reapInterval = 30 * time.Second

// reap stops orphans until ctx ends.
func (m *Manager) reap(ctx context.Context) {
	for {
		pause := reapInterval
		if m.reapOrphans(ctx) != nil { // already logged
			pause = m.RefreshInterval
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		case <-m.reapSoon:
		}
	}
}

// reapOrphans stops the servers of this installation that will never be used again:
// their gateway was deleted, or they are retired and the instance that should have
// stopped them is gone or at another location. Servers of other or unknown installations
// are left alone and reported. The other kind of orphan, a gateway without its server, is handled
// by the gateway's reconciler.
//
// No lease is needed: a retired server stays retired, whatever other instances do.
func (m *Manager) reapOrphans(ctx context.Context) error {
	ours, err := m.installation(ctx)
	if err != nil {
		return err
	}
	// List servers before gateways: a server that is started later already has a gateway.
	servers, err := m.Runtime.List(ctx)
	if err != nil {
		m.Logger.Warn("cannot list all Livy servers to find those without a gateway", zap.Error(err))
	}
	failed := err // the servers that were listed end all the same
	if len(servers) == 0 {
		m.reportOrphans(nil)
		return failed
	}
	all, err := m.Store.Gateways(ctx)
	if err != nil {
		return err
	}
	known := make(map[string]*gateway.Gateway, len(all))
	for _, g := range all {
		known[g.ID] = g
	}
	m.reportOrphans(orphansAmong(servers, ours, func(id string) bool { return known[id] != nil }))
	for _, s := range servers {
		if s.Installation != ours {
			continue
		}
		upTo := upstream.AnyEpoch
		if g := known[s.GatewayID]; g != nil {
			// The gateway's reconciler stops its own server.
			ending := g.Status.State == gateway.StateStopping || g.Desired == gateway.StateDeleting
			stopping := ending && g.Status.Location == m.leaseholder.currentLocation()
			if !g.Status.Retires(s.Number, s.Epoch) || stopping {
				continue
			}
			upTo = s.Epoch
		}
		if err := m.Runtime.Stop(ctx, s.ServerID(), upTo); err != nil {
			m.Logger.Warn("cannot stop an unused Livy server", zap.String("gateway", s.GatewayID), zap.Error(err))
			failed = errors.Join(failed, err)
			continue // the others end all the same
		}
		if known[s.GatewayID] == nil {
			m.forgetLog(ctx, s.GatewayID)
		}
		m.Logger.Warn("stopped an unused Livy server", zap.String("gateway", s.GatewayID),
			zap.String("instance", s.ID))
	}
	return failed
}

// maxForgotten bounds the deleted gateways whose last log is still to be removed.
const maxForgotten = 256

// forgetLogs removes the last logs of deleted gateways until ctx ends.
func (m *Manager) forgetLogs(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-m.forgotten:
			m.forgetLog(ctx, id)
		}
	}
}

// forgetLog deletes what the runtime keeps of a deleted gateway.
func (m *Manager) forgetLog(ctx context.Context, id string) {
	f, ok := m.Runtime.(upstream.Forgetter)
	if !ok {
		return
	}
	for n := 1; n <= gateway.MaxNumber; n++ {
		if err := f.Forget(ctx, gateway.ServerID(id, n)); err != nil && ctx.Err() == nil {
			m.Logger.Warn("cannot remove the last log of a deleted gateway", zap.String("gateway", id),
				zap.Error(err))
		}
	}
}
