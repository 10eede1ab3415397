package control

import (
	"context"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// catchUp looks, when a worker begins, for a server of a later epoch than Redis
// knows of, as there is one after an old backup was restored. Such a server is
// condemned, and ids go on far above what it can have given out.
func (w *worker) catchUp(ctx context.Context, g *gateway.Gateway) (*gateway.Gateway, error) {
	m := w.m
	inst, found, err := m.Runtime.Find(ctx, g.ID)
	if err != nil {
		return g, nil // whoever needs the server says so; the next step looks again
	}
	ours, err := m.installation(ctx)
	if err != nil {
		return g, err
	}
	w.caught = true
	if !found || inst.Epoch <= g.Status.Epoch || inst.Installation != ours {
		return g, nil
	}
	m.Logger.Warn("Redis does not know this gateway's server: was an old backup restored? It is ended, and ids go on above it",
		zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.String("instance", inst.ID))
	if _, _, err := m.Store.SkipIDs(ctx, w.fence, g.ID, store.RestoredSkip); err != nil {
		return g, err
	}
	return w.update(ctx, func(g *gateway.Gateway) error {
		g.Status.Epoch = max(g.Status.Epoch, inst.Epoch)
		g.Status.Condemned = g.Status.Epoch
		g.Enter(gateway.StateStopping, "ending a server that an old backup does not know", gateway.SystemActor, m.Now())
		clearInstance(g)
		return nil
	})
}
