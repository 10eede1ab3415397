package control

import (
	"reflect"
	"slices"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
)

// resolution holds a gateway's settings resolved against the operator's.
type resolution struct {
	settings    *Settings
	spec        gateway.Spec
	startedWith *gateway.Spec
	defaults    *gateway.Defaults

	// wanted are the settings for the next start of the Livy server, inForce those that
	// apply to requests. They are the same object unless a change waits for that start.
	wanted, inForce *resolved.Gateway
}

// resolve returns a gateway's resolved settings. It reuses the snapshot's resolution, or
// the last one made (which is the one about to be stored), unless the gateway's or the
// operator's settings differ.
func (m *Manager) resolve(g *gateway.Gateway) *resolution {
	s := m.settings.Load()
	var wanted *resolved.Gateway
	for _, known := range []*resolution{m.snapshots.resolution(g.ID), m.lastResolved.Load()} {
		if known == nil || known.settings != s || !known.spec.Equal(&g.Spec) {
			continue
		}
		if reflect.DeepEqual(known.startedWith, g.Status.StartedWith) &&
			reflect.DeepEqual(known.defaults, g.Status.LaunchDefaults) {
			return known
		}
		wanted = known.wanted
	}
	if wanted == nil {
		wanted = m.newResolved(&s.Settings, g.Spec)
	}
	still := ""
	if g.Status.StartedWith != nil {
		still = g.Status.StartedWith.SparkBlacklist
	}
	r := &resolution{
		settings: s, spec: g.Spec, startedWith: g.Status.StartedWith, defaults: g.Status.LaunchDefaults,
		wanted: wanted, inForce: wanted.With(g.InForce(), still),
	}
	m.lastResolved.Store(r)
	return r
}

// resolution returns the snapshot's resolution of a gateway, or nil.
func (s *snapshots) resolution(id string) *resolution {
	p := s.current.Load()
	if p == nil || p.byID[id] == nil {
		return nil
	}
	return p.byID[id].resolution
}

// facts returns what a gateway's policy depends on besides settings.
func (m *Manager) facts(g *gateway.Gateway) resolved.Facts {
	return resolved.Facts{
		ID: g.ID, CreatedBy: g.CreatedBy, LivyVersion: g.Status.LivyVersion,
		FusionOff: g.Status.FusionOff != "", NoEventLogs: m.awaitsEventLogs(g),
	}
}

// Effective returns a gateway's settings with the operator's defaults filled in.
func (m *Manager) Effective(g *gateway.Gateway) gateway.Spec { return m.resolve(g).wanted.Spec }

// RestartNeeded lists the settings, and the catalog entries that they name, that will not
// take effect until the gateway's Livy servers restart; see resolved.Gateway.Pending.
func (m *Manager) RestartNeeded(g *gateway.Gateway) []string {
	if g.Status.Launched == nil {
		return nil
	}
	wanted := m.resolve(g).wanted
	pending := wanted.Pending(g.Status.Launched)
	for i := range g.Status.Servers {
		v := &g.Status.Servers[i]
		if v.State != gateway.ServerServing {
			continue
		}
		for _, name := range wanted.Pending(v.Launched) {
			if !slices.Contains(pending, name) {
				pending = append(pending, name)
			}
		}
	}
	return pending
}
