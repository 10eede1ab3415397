package docker

import (
	"context"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// DriverHost returns the container's address in its network, which can be reached from the
// machine that the Docker engine runs on; see upstream.DriverHoster.
func (r *Runtime) DriverHost(ctx context.Context, serverID string) (string, error) {
	c, ok, err := r.inspect(ctx, serverID)
	if err != nil {
		return "", err
	}
	if ok && c.State.Running && c.NetworkSettings != nil {
		for _, n := range c.NetworkSettings.Networks {
			if n != nil && n.IPAddress.IsValid() {
				return n.IPAddress.String(), nil
			}
		}
	}
	return "", gateway.Errorf(gateway.KindUnavailable, "gateway %s has no container with an address", serverID)
}

// Interface guard
var _ upstream.DriverHoster = (*Runtime)(nil)
