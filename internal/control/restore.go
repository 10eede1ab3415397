package control

import (
	"context"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// retireUnknownServer runs once per reconciler. After an old backup of Redis was
// restored, a server may be running whose epoch is later than the stored one. Such a
// server is retired, and public ids continue far above those it can have issued.
func (r *reconciler) retireUnknownServer(ctx context.Context, g *gateway.Gateway) (*gateway.Gateway, error) {
	m := r.m
	inst, found, err := m.unknownServer(ctx, g)
	if err != nil {
		return g, nil // reported where the server is needed; retried in the next step
	}
	ours, err := m.installation(ctx)
	if err != nil {
		return g, err
	}
	r.checkedUnknown = true
	if !found || inst.Installation != ours {
		return g, nil
	}
	m.Logger.Warn("the gateway's server is newer than Redis knows: was an old backup restored? Stopping it and skipping ids",
		zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.String("instance", inst.ID))
	if _, _, err := m.Store.SkipIDs(ctx, r.fence, g.ID, store.RestoredSkip); err != nil {
		return g, err
	}
	if inst.Number != g.Status.PrimaryNumber() { // reapOrphans stops it
		return r.update(ctx, func(g *gateway.Gateway) error {
			g.Status.LastEpoch = max(g.Status.LastEpoch, inst.Epoch)
			return nil
		})
	}
	return r.update(ctx, func(g *gateway.Gateway) error {
		g.Status.Epoch = max(g.Status.Epoch, inst.Epoch)
		g.Status.Retired = g.Status.Epoch
		g.Enter(gateway.StateStopping, "stopping a server that is newer than the restored backup",
			gateway.SystemActor, m.Now())
		clearInstance(g)
		return nil
	})
}
