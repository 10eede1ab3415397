package control

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"
)

// adoptInterval is how long entries written by an instance of an older version may stay
// invisible to this version.
const adoptInterval = time.Minute

// adoptOldKeys moves, until ctx ends, entries that instances of the previous version
// write under their keys while an installation is being upgraded.
func (m *Manager) adoptOldKeys(ctx context.Context) {
	tick := time.NewTicker(adoptInterval)
	defer tick.Stop()
	orphansDropped := false
	for {
		m.adoptOldKeysOnce(ctx)
		if !orphansDropped {
			// Once per process is enough: the last upgraded instance starts after the last
			// old one has ended.
			n, err := m.Store.DropOrphanedStatements(ctx)
			if n > 0 {
				m.Logger.Info("removed statements of deleted gateways", zap.Int("gateways", n))
			}
			orphansDropped = err == nil
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (m *Manager) adoptOldKeysOnce(ctx context.Context) {
	revisions, err := m.Store.GatewayRevisions(ctx)
	if err != nil {
		return // Redis is unreachable, which other loops report
	}
	n, err := m.Store.AdoptOldKeys(ctx, slices.Collect(maps.Keys(revisions)))
	if n > 0 {
		m.Logger.Info("moved entries written by an instance of an older version; upgrade all instances",
			zap.Int("entries", n))
	}
	if err != nil && ctx.Err() == nil {
		m.Logger.Warn("cannot move entries written by an instance of an older version", zap.Error(err))
	}
}
