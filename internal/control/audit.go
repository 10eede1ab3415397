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

// changeEntry returns the audit entry of a change to a gateway. A change without an action
// was made by the gateway itself and is named after the resulting state, e.g.
// "gateway.error". The entry is nil if the change is not visible in the audit log. The entry
// of a deletion has all settings of the gateway.
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
	if action == actionDelete {
		after = nil
	}
	e := newAuditEntry(action, actor, before, after)
	return &e
}

// newAuditEntry returns the audit entry of a change; before is nil for a creation, after for
// a deletion.
func newAuditEntry(action, actor string, before, after *gateway.Gateway) store.AuditEntry {
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

// auditView returns what the audit log shows of a gateway: its settings, and whether it runs.
func auditView(g *gateway.Gateway) any {
	if g == nil {
		return nil
	}
	return struct {
		gateway.Spec
		// Settings that are not set are left out.
		CPU         int    `json:"cpu,omitempty"`
		Memory      string `json:"memory,omitempty"`
		Engine      string `json:"engine,omitempty"`
		LivyVersion string `json:"livyVersion,omitempty"`

		Declared bool          `json:"declared,omitempty"`
		Desired  gateway.State `json:"desired"`
		State    gateway.State `json:"state"`
	}{g.Spec, g.Spec.CPU, g.Spec.Memory, g.Spec.Engine, g.Spec.LivyVersion, g.Declared, g.Desired, g.Status.State}
}

// trimInterval is the pause between two removals of old entries.
const trimInterval = 10 * time.Minute

// trimOld removes old audit entries until ctx ends, and old records, including those of
// gateways that are not polled.
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
	err := m.Store.TrimAudit(ctx, m.Now(), m.settings.Load().AuditRetention)
	if err != nil && ctx.Err() == nil {
		m.Logger.Warn("cannot trim the audit log", zap.Error(err))
	}
	m.sweepDeleted(ctx)
	for _, e := range m.snapshots.entries() {
		if err := m.Ledger.Trim(ctx, store.Fence{}, e.Gateway.ID); err != nil && ctx.Err() == nil {
			m.Logger.Warn("cannot trim records", zap.String("gateway", e.Gateway.ID), zap.Error(err))
		}
	}
}

// IDOf returns the id of the gateway with a given id, workspace/name, or name if it is
// unique. It returns "" if there is none.
func (m *Manager) IDOf(text string) string {
	id := ""
	for _, e := range m.snapshots.entries() {
		g := e.Gateway
		switch {
		case g.ID == text || g.Ref() == text:
			return g.ID
		case g.Spec.Name == text && id != "":
			return "" // ambiguous
		case g.Spec.Name == text:
			id = g.ID
		}
	}
	return id
}

// RefOf returns "workspace/name" of the gateway with an id, or "" if there is none.
func (m *Manager) RefOf(id string) string {
	if g := m.Known(id); g != nil {
		return g.Ref()
	}
	return ""
}
