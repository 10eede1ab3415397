package control

import (
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// CheckToken returns an error if a token of the gateway cannot have the identity or the
// queue (empty ones are always valid), or if the gateway is being deleted.
func (m *Manager) CheckToken(g *gateway.Gateway, identity, queue string) error {
	if err := checkNotDeleting(g); err != nil {
		return err
	}
	queues := m.settings.Load().Catalog.Queues
	if queue != "" && len(queues) > 0 && !slices.Contains(queues, queue) {
		return gateway.Invalid("queue", queue,
			"must be one of the configured queues: "+strings.Join(queues, ", "))
	}
	if identity == "" && queue == "" {
		return nil
	}
	_, err := m.resolve(g).wanted.Policy(m.facts(g), identity, queue)
	return err
}
