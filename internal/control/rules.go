package control

import (
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
)

// Rules lists what a gateway's policy does to every create request.
func (m *Manager) Rules(g *gateway.Gateway) ([]policies.InForce, error) {
	p, err := m.policy(g)
	if err != nil {
		return nil, err
	}
	return p.InForce(), nil
}
