package control

import (
	"context"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Get returns a gateway by workspace and name or id, as stored now.
func (m *Manager) Get(ctx context.Context, workspace, nameOrID string) (*gateway.Gateway, error) {
	if e, err := m.Lookup(workspace, nameOrID); err == nil {
		g, err := m.Store.Gateway(ctx, e.Gateway.ID)
		switch {
		case err == nil && (g.ID == nameOrID || g.Spec.Name == nameOrID):
			return g, nil
		case err != nil && gateway.KindOf(err) != gateway.KindNotFound:
			return nil, err
		}
	}
	// It is newer than the snapshot, or was renamed or deleted.
	all, err := m.List(ctx, workspace)
	if err != nil {
		return nil, err
	}
	var named *gateway.Gateway
	for _, g := range all {
		switch nameOrID {
		case g.ID: // an id wins over another gateway's equal name
			return g, nil
		case g.Spec.Name:
			named = g
		}
	}
	if named == nil {
		return nil, gateway.Errorf(gateway.KindNotFound, "no gateway %q in workspace %q", nameOrID, workspace)
	}
	return named, nil
}

// List returns the gateways of a workspace (all of them if it is empty), as stored now,
// ordered by workspace and name. They must not be changed.
//
// It reads the revisions from Redis and takes the gateways of these revisions from the
// snapshot: decoding the documents of a thousand gateways takes most of the time otherwise.
func (m *Manager) List(ctx context.Context, workspace string) ([]*gateway.Gateway, error) {
	known := m.snapshots.current.Load()
	if known == nil {
		all, err := m.Store.Gateways(ctx)
		return sorted(all, workspace), err
	}
	revisions, err := m.Store.GatewayRevisions(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]*gateway.Gateway, 0, len(revisions))
	var changed []string
	for id, revision := range revisions {
		if e := known.byID[id]; e != nil && e.Gateway.Revision == revision {
			all = append(all, e.Gateway)
		} else {
			changed = append(changed, id)
		}
	}
	for id := range known.byID {
		if _, ok := revisions[id]; !ok {
			changed = append(changed, id)
		}
	}
	read, err := m.Store.GatewaysByID(ctx, changed)
	if err != nil {
		return nil, err
	}
	return sorted(append(all, read...), workspace), nil
}
