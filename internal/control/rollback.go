package control

import (
	"context"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store"
)

// rolledBack replaces everything this instance knows by what a rolled back Redis says.
// Reconcilers start over and deal with the servers (see retireUnknownServer).
func (m *Manager) rolledBack(ctx context.Context) error {
	var lost *store.Rollback
	err := m.snapshots.replace(func() (entries map[string]*Entry, err error) {
		if lost, err = m.Store.LastRollback(ctx); err != nil {
			return nil, err
		}
		all, err := m.Store.Gateways(ctx)
		if err != nil {
			return nil, err
		}
		entries = make(map[string]*Entry, len(all))
		for _, g := range all {
			entries[g.ID] = m.compile(g)
		}
		return entries, nil
	})
	if err != nil {
		return err
	}
	m.installed.Store(nil)
	m.kickAll()
	select {
	case m.reapSoon <- struct{}{}:
	default:
	}
	if m.declared.Load() != nil { // what of the configuration is lost is made again
		select {
		case m.declare <- struct{}{}:
		default:
		}
	}
	switch {
	case lost == nil:
	case lost.To.IsZero():
		m.Logger.Error("Redis has lost all data; continuing with an empty Redis", zap.Time("from", lost.From))
	default:
		m.Logger.Error("Redis was rolled back: tokens revoked in the lost period are valid again; run caddy livy doctor",
			zap.Time("from", lost.From), zap.Time("to", lost.To))
	}
	return nil
}
