package control

import (
	"context"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/gateway"
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

// reapOrphans stops the servers of this installation that belong to no gateway,
// e.g. because it was deleted while this process was away. Servers of other
// installations, and those whose installation is not known, are left alone. The
// other kind of orphan, a gateway without its server, is each worker's matter.
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
	known := make(map[string]bool, len(all))
	for _, g := range all {
		known[g.ID] = true
	}
	for _, s := range servers {
		if known[s.GatewayID] || s.Installation != ours {
			continue
		}
		if err := m.Runtime.Stop(ctx, s.GatewayID); err != nil {
			m.Logger.Warn("stopping a Livy server without a gateway", zap.String("gateway", s.GatewayID), zap.Error(err))
			return err
		}
		if f, ok := m.Runtime.(upstream.Forgetter); ok {
			_ = f.Forget(ctx, s.GatewayID) // a log of nobody's gateway
		}
		m.Logger.Warn("stopped a Livy server without a gateway", zap.String("gateway", s.GatewayID), zap.String("instance", s.ID))
	}
	return nil
}
