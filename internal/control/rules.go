package control

import (
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
)

// Rules lists what a gateway's policy does to every create request, and what a person
// should know of it: what looks mistyped, and rules that hold for some requests only.
func (m *Manager) Rules(g *gateway.Gateway) ([]policies.InForce, []string, error) {
	now := inForce(g)
	p, err := m.compilePolicy(now, "", "")
	if err != nil {
		return nil, nil, err
	}
	return p.InForce(), append(Typos(&now.Spec), p.Notes()...), nil
}
