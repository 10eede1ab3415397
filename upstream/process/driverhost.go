package process

import (
	"context"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// DriverHost returns the loopback address of the gateway's server, since drivers are processes
// on this machine; see upstream.DriverHoster.
func (r *Runtime) DriverHost(_ context.Context, serverID string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, _, ok, err := r.newest(serverID)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", gateway.Errorf(gateway.KindUnavailable, "gateway %s has no server", serverID)
	}
	return s.host(), nil
}

// Interface guard
var _ upstream.DriverHoster = (*Runtime)(nil)
