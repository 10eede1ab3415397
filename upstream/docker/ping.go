package docker

import (
	"context"

	"github.com/moby/moby/client"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// Ping asks the Docker engine for a sign of life.
func (r *Runtime) Ping(ctx context.Context) error {
	if _, err := r.api.Ping(ctx, client.PingOptions{}); err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "asking the Docker engine for a sign of life", err)
	}
	return nil
}

// Interface guard
var _ upstream.Pinger = (*Runtime)(nil)
