package control

import (
	"context"
	"reflect"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// changeEntry is the audit entry of a gateway's change. Without an action the change
// is the gateway's own, and is named after the state that it leads to, e.g.
// "gateway.error"; it is nil if nothing changes that the audit log shows.
func changeEntry(action, actor string, before, after *gateway.Gateway) *store.AuditEntry {
	if action == "" {
		if reflect.DeepEqual(auditView(before), auditView(after)) {
			return nil
		}
		switch {
		case before.Status.State != after.Status.State:
			action = "gateway." + strings.ToLower(string(after.Status.State))
			if n := len(after.History); n > 0 {
				actor = after.History[n-1].Actor
			}
		case before.Desired != after.Desired && after.Desired == gateway.StateStopped:
			action = "gateway.stop"
		default:
			action = "gateway.update"
		}
	}
	e := entry(action, actor, before, after)
	return &e
}

// entry is the audit entry of a change; before is nil for a creation, after for a
// deletion.
func entry(action, actor string, before, after *gateway.Gateway) store.AuditEntry {
	g := after
	if g == nil {
		g = before
	}
	e := store.AuditEntry{Action: action, Actor: actor, GatewayID: g.ID, Gateway: g.Ref()}
	e.Before, e.After = gateway.Changes(auditView(before), auditView(after))
	if after != nil && before != nil && before.Status.State != after.Status.State {
		e.Detail = gateway.MaskSecrets(after.Status.Reason)
	}
	return e
}

// auditView is what the audit log shows of a gateway: its settings, and whether it runs.
func auditView(g *gateway.Gateway) any {
	if g == nil {
		return nil
	}
	return struct {
		gateway.Spec
		// What nobody has set is left out.
		CPU         int    `json:"cpu,omitempty"`
		Memory      string `json:"memory,omitempty"`
		Engine      string `json:"engine,omitempty"`
		LivyVersion string `json:"livyVersion,omitempty"`

		Declared bool          `json:"declared,omitempty"`
		Desired  gateway.State `json:"desired"`
		State    gateway.State `json:"state"`
	}{g.Spec, g.Spec.CPU, g.Spec.Memory, g.Spec.Engine, g.Spec.LivyVersion, g.Declared, g.Desired, g.Status.State}
}

// trimInterval is how often what is old is removed.
const trimInterval = 10 * time.Minute

// trimOld removes old entries of the audit, and old records also of gateways that
// are not polled, until ctx ends.
func (m *Manager) trimOld(ctx context.Context) {
	tick := time.NewTicker(trimInterval)
	defer tick.Stop()
	for {
		m.trim(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (m *Manager) trim(ctx context.Context) {
	if err := m.Store.TrimAudit(ctx, m.Now(), m.settings.Load().AuditRetention); err != nil && ctx.Err() == nil {
		m.Logger.Warn("trimming the audit", zap.Error(err))
	}
	for _, e := range m.view.all() {
		if err := m.Ledger.Trim(ctx, store.Fence{}, e.Gateway.ID); err != nil && ctx.Err() == nil {
			m.Logger.Warn("trimming records", zap.String("gateway", e.Gateway.ID), zap.Error(err))
		}
	}
}

// IDOf is the id of the gateway that a person means: by id, by workspace/name, or
// by a name that only one gateway has. It is empty if there is none.
func (m *Manager) IDOf(text string) string {
	id := ""
	for _, e := range m.view.all() {
		g := e.Gateway
		switch {
		case g.ID == text || g.Ref() == text:
			return g.ID
		case g.Spec.Name == text && id != "":
			return "" // which of them?
		case g.Spec.Name == text:
			id = g.ID
		}
	}
	return id
}

// Known returns the gateway with an id as this instance knows it, nil if there is none.
func (m *Manager) Known(id string) *gateway.Gateway {
	if p := m.view.current.Load(); p != nil && p.byID[id] != nil {
		return p.byID[id].Gateway
	}
	return nil
}

// Snapshot returns all gateways as this instance knows them, by workspace and name. They
// must not be changed. It fails with KindUnavailable until they have been read.
func (m *Manager) Snapshot() ([]*gateway.Gateway, error) {
	if m.view.current.Load() == nil {
		return nil, gateway.Errorf(gateway.KindUnavailable, "the gateways have not been read from Redis yet")
	}
	entries := m.view.all()
	all := make([]*gateway.Gateway, len(entries))
	for i, e := range entries {
		all[i] = e.Gateway
	}
	return all, nil
}
