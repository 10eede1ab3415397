package control

import (
	"slices"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
)

// Rules lists what a gateway's policy does to every create request, and notes on it: keys
// that look mistyped, and rules that apply to some requests only.
func (m *Manager) Rules(g *gateway.Gateway) ([]policies.InForce, []string, error) {
	p, err := m.policy(g)
	if err != nil {
		return nil, nil, err
	}
	return p.InForce(), slices.Concat(m.resolve(g).inForce.Typos(), p.Notes()), nil
}
