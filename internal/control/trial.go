package control

import (
	"encoding/json"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Trial is a gateway as it would be with other settings, at its next start: for showing
// what they would do. Nothing is stored. settings is a merge patch, as for Update; those
// of a gateway of the configuration can be tried too.
func (m *Manager) Trial(g *gateway.Gateway, settings json.RawMessage) (*gateway.Gateway, error) {
	spec, err := patched(g.Spec, settings)
	if err != nil {
		return nil, err
	}
	trial := *g
	trial.Spec = spec
	trial.Status.StartedWith, trial.Status.LaunchDefaults = nil, nil
	if err := m.check(&trial); err != nil {
		return nil, err
	}
	return &trial, nil
}
