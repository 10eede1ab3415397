package control

import (
	"reflect"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
)

// resolution is a gateway's settings, resolved with the operator's.
type resolution struct {
	settings    *Settings
	spec        gateway.Spec
	startedWith *gateway.Spec
	defaults    *gateway.Defaults

	// wanted are the settings for the next start of the Livy server, inForce those that
	// hold for requests: the same one, unless something waits for that start.
	wanted, inForce *resolved.Gateway
}

// resolve gives a gateway's settings resolved. They are made anew only where the
// gateway or the operator's settings differ from what the snapshot has, or from what was
// resolved last: that is what is stored next.
func (m *Manager) resolve(g *gateway.Gateway) *resolution {
	s := m.settings.Load()
	var wanted *resolved.Gateway
	for _, known := range []*resolution{m.view.resolution(g.ID), m.lastResolved.Load()} {
		if known == nil || known.settings != s || !known.spec.Equal(&g.Spec) {
			continue
		}
		if reflect.DeepEqual(known.startedWith, g.Status.StartedWith) && reflect.DeepEqual(known.defaults, g.Status.LaunchDefaults) {
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

// resolution is what the snapshot has of a gateway, nil if that is nothing.
func (v *view) resolution(id string) *resolution {
	p := v.current.Load()
	if p == nil || p.byID[id] == nil {
		return nil
	}
	return p.byID[id].resolution
}

// facts are what a gateway's policy goes by besides settings.
func (m *Manager) facts(g *gateway.Gateway) resolved.Facts {
	return resolved.Facts{
		ID: g.ID, CreatedBy: g.CreatedBy, LivyVersion: g.Status.LivyVersion,
		FusionOff: g.Status.FusionOff != "", NoEventLogs: m.awaitsEventLogs(g),
	}
}

// Effective are a gateway's settings with the operator's defaults filled in.
func (m *Manager) Effective(g *gateway.Gateway) gateway.Spec { return m.resolve(g).wanted.Spec }

// RestartNeeded lists the settings, and the entries of the catalog that they name, in
// which a gateway's running Livy server differs from what is wanted; see
// resolved.Gateway.Pending.
func (m *Manager) RestartNeeded(g *gateway.Gateway) []string {
	if g.Status.Launched == nil {
		return nil
	}
	return m.resolve(g).wanted.Pending(g.Status.Launched)
}
