package control

import (
	"bytes"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// launch returns the parameters to start a gateway's Livy server with.
func (m *Manager) launch(g *gateway.Gateway, r *resolved.Gateway) (upstream.Launch, error) {
	if err := checkOffered(g, r); err != nil {
		return upstream.Launch{}, err
	}
	l, err := r.Launch(m.facts(g))
	if err != nil {
		return l, err
	}
	l.GatewayID, l.Workspace, l.Number = g.ID, g.Workspace, g.Status.PrimaryNumber()
	if l.ClusterFiles, err = clusterFiles(r.Cluster); err != nil {
		return l, err
	}
	if r.Cluster.Kubeconfig != "" && !m.external() {
		if l.Kubeconfig, err = kubeapi.Flat(r.Cluster.Kubeconfig); err != nil {
			return l, err
		}
	}
	if dir := m.History().LocalDir(); dir != "" && !m.external() {
		l.Directories = append(l.Directories, gateway.Directory{
			Name: "event logs", Type: gateway.DirectoryLocal, Source: dir, Path: dir,
		})
	}
	return l, nil
}

// policy returns the policy that applies to a gateway's requests.
func (m *Manager) policy(g *gateway.Gateway) (*policies.Policy, error) {
	return m.resolve(g).inForce.Policy(m.facts(g), "", "")
}

// Explain applies a gateway's policy to a create body without sending anything.
func (m *Manager) Explain(g *gateway.Gateway, kind livy.Kind, body []byte) (policies.Result, error) {
	p, err := m.policy(g)
	if err != nil {
		return policies.Result{}, err
	}
	return p.Create(kind, "", "application/json", bytes.NewReader(body))
}

func sorted(all []*gateway.Gateway, workspace string) []*gateway.Gateway {
	all = slices.DeleteFunc(all, func(g *gateway.Gateway) bool {
		return workspace != "" && g.Workspace != workspace
	})
	slices.SortFunc(all, func(a, b *gateway.Gateway) int { return strings.Compare(a.Ref(), b.Ref()) })
	return all
}

func joinLines(lines []string) string { return strings.Join(lines, " | ") }
