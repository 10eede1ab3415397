package docker

import (
	"bytes"
	"context"
	"strconv"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/livygateway/livygateway/upstream"
)

// keptLines is the number of log lines kept after a container is removed.
const keptLines = 1000

// Logs returns the last lines of the server's container, or of the last one removed.
func (r *Runtime) Logs(ctx context.Context, serverID string, lines int) ([]string, error) {
	c, ok, err := r.inspect(ctx, serverID)
	if err != nil {
		return nil, err
	}
	if !ok {
		return r.last.Read(serverID, lines)
	}
	return r.containerLogs(ctx, c.ID, lines)
}

func (r *Runtime) containerLogs(ctx context.Context, id string, lines int) ([]string, error) {
	stream, err := r.api.ContainerLogs(ctx, id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(lines),
	})
	if err != nil {
		return nil, callError("reading the log of container "+id, err)
	}
	defer stream.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, stream); err != nil {
		return nil, callError("reading the log of container "+id, err)
	}
	return upstream.LastLines(text.String(), lines), nil
}

// Forget removes the last log of a deleted gateway.
func (r *Runtime) Forget(_ context.Context, serverID string) error {
	return r.last.Forget(serverID)
}
