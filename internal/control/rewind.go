package control

import (
	"context"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store"
)

// rewound makes this instance believe a Redis that has gone back in time: what it
// remembers of later is nowhere on record any more. Workers, which begin anew, put
// the servers right (see catchUp).
func (m *Manager) rewound(ctx context.Context) error {
	var lost *store.Rewind
	err := m.view.replace(func() (entries map[string]*Entry, err error) {
		if lost, err = m.Store.Rewound(ctx); err != nil {
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
		m.Logger.Error("Redis has lost everything, and was begun anew", zap.Time("from", lost.From))
	default:
		m.Logger.Error("Redis has gone back in time; tokens that were revoked since are good again, see the doctor",
			zap.Time("from", lost.From), zap.Time("to", lost.To))
	}
	return nil
}
