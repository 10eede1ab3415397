package docker

import (
	"context"

	"github.com/moby/moby/client"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// Ping checks that the Docker engine answers.
func (r *Runtime) Ping(ctx context.Context) error {
	if _, err := r.api.Ping(ctx, client.PingOptions{}); err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "pinging the Docker engine", err)
	}
	return nil
}

// Interface guard
var _ upstream.Pinger = (*Runtime)(nil)
