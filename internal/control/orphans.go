package control

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// installation is the name by which this installation's servers are known from
// those of others on the same machine.
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

// reapInterval is the pause between two looks for orphans.
const reapInterval = 30 * time.Second

// reap looks for orphans until ctx ends.
func (m *Manager) reap(ctx context.Context) {
	for {
		pause := reapInterval
		if m.reapOrphans(ctx) != nil { // it said why
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

// reapOrphans stops the servers of this installation that nobody will use any
// more: their gateway was deleted, or they are condemned and whoever should have
// ended them was lost before, or is at another place. Servers of other
// installations, and those whose installation is not known, are left alone. The
// other kind of orphan, a gateway without its server, is each worker's matter.
//
// It needs no lease: what it ends stays useless whatever anybody does.
func (m *Manager) reapOrphans(ctx context.Context) error {
	ours, err := m.installation(ctx)
	if err != nil {
		return err
	}
	// Servers first: one that is started after this has a gateway by then.
	servers, err := m.Runtime.List(ctx)
	if err != nil {
		m.Logger.Warn("looking for Livy servers without a gateway", zap.Error(err))
		return err
	}
	if len(servers) == 0 {
		return nil
	}
	all, err := m.Store.Gateways(ctx)
	if err != nil {
		return err
	}
	known := make(map[string]*gateway.Gateway, len(all))
	for _, g := range all {
		known[g.ID] = g
	}
	var failed error
	for _, s := range servers {
		if s.Installation != ours {
			continue
		}
		upTo := upstream.AnyEpoch
		if g := known[s.GatewayID]; g != nil {
			// One that is being stopped is its worker's.
			if s.Epoch > g.Status.Condemned || g.Status.State == gateway.StateStopping && g.Status.Place == m.keeper.placeNow() {
				continue
			}
			upTo = g.Status.Condemned
		}
		if err := m.Runtime.Stop(ctx, s.GatewayID, upTo); err != nil {
			m.Logger.Warn("stopping a Livy server that nobody uses", zap.String("gateway", s.GatewayID), zap.Error(err))
			failed = errors.Join(failed, err)
			continue // the others end all the same
		}
		if known[s.GatewayID] == nil {
			m.forgetLog(ctx, s.GatewayID)
		}
		m.Logger.Warn("stopped a Livy server that nobody uses", zap.String("gateway", s.GatewayID), zap.String("instance", s.ID))
	}
	return failed
}

// forgetLog throws away what the runtime keeps of a deleted gateway.
func (m *Manager) forgetLog(ctx context.Context, id string) {
	f, ok := m.Runtime.(upstream.Forgetter)
	if !ok {
		return
	}
	if err := f.Forget(ctx, id); err != nil && ctx.Err() == nil {
		m.Logger.Warn("removing the last log of a deleted gateway", zap.String("gateway", id), zap.Error(err))
	}
}
