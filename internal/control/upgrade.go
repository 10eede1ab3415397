package control

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"
)

// adoptInterval is how long an entry that an instance of an older version writes
// stays invisible to this version.
const adoptInterval = time.Minute

// adoptOldKeys moves, until ctx ends, what instances of the version before write
// under their keys while an installation is being upgraded.
func (m *Manager) adoptOldKeys(ctx context.Context) {
	tick := time.NewTicker(adoptInterval)
	defer tick.Stop()
	orphansDropped := false
	for {
		m.adoptOnce(ctx)
		if !orphansDropped {
			// Once for each start: the last instance to be upgraded starts after the
			// last old one has ended.
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

func (m *Manager) adoptOnce(ctx context.Context) {
	revisions, err := m.Store.GatewayRevisions(ctx)
	if err != nil {
		return // Redis is away, which others report
	}
	n, err := m.Store.AdoptOldKeys(ctx, slices.Collect(maps.Keys(revisions)))
	if n > 0 {
		m.Logger.Info("moved what an instance of an older version wrote; upgrade all instances", zap.Int("entries", n))
	}
	if err != nil && ctx.Err() == nil {
		m.Logger.Warn("moving what an instance of an older version wrote", zap.Error(err))
	}
}
