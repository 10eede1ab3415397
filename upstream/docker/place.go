package docker

import (
	"context"

	"github.com/moby/moby/client"

	"github.com/livygateway/livygateway/upstream"
)

// Place names the Docker engine: whoever uses the same one can reach and stop
// what runs there.
func (r *Runtime) Place(ctx context.Context) (string, error) {
	got, err := r.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return "", callError("asking the Docker engine who it is", err)
	}
	return "docker:" + got.Info.ID, nil
}

// Interface guard
var _ upstream.Placer = (*Runtime)(nil)
