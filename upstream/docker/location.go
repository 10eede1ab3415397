package docker

import (
	"context"

	"github.com/moby/moby/client"

	"github.com/livygateway/livygateway/upstream"
)

// Location names the Docker engine: every instance that uses the same engine can reach and
// stop the containers there.
func (r *Runtime) Location(ctx context.Context) (string, error) {
	got, err := r.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return "", callError("reading the id of the Docker engine", err)
	}
	return "docker:" + got.Info.ID, nil
}

// Interface guard
var _ upstream.Locator = (*Runtime)(nil)
