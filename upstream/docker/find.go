package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// Find returns a server's container; see upstream.Runtime.
func (r *Runtime) Find(ctx context.Context, serverID string) (upstream.Instance, bool, error) {
	got, ok, err := r.inspect(ctx, serverID)
	if err != nil || !ok {
		return upstream.Instance{}, false, err
	}
	return r.instance(got), true, nil
}

// inspect returns a server's container by its name. A container of that name without the
// labels belongs to somebody else.
func (r *Runtime) inspect(ctx context.Context, serverID string) (container.InspectResponse, bool, error) {
	got, err := r.api.ContainerInspect(ctx, containerName(serverID), client.ContainerInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return container.InspectResponse{}, false, nil
	}
	if err != nil {
		return container.InspectResponse{}, false, callError("finding the container of gateway "+serverID, err)
	}
	c := got.Container
	if c.Config == nil || c.State == nil || c.Config.Labels[labelNamespace] != r.opts.Namespace ||
		serverOf(c.Config.Labels) != serverID {
		return container.InspectResponse{}, false, nil
	}
	return c, true, nil
}

func (r *Runtime) instance(c container.InspectResponse) upstream.Instance {
	started, _ := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	inst := upstream.Instance{
		GatewayID: c.Config.Labels[labelGateway],
		Number:    number(c.Config.Labels),
		// The same container may be restarted manually.
		ID:      fmt.Sprintf("%.12s-%d", c.ID, started.Unix()),
		Started: started,
		Running: c.State.Running,

		Installation: c.Config.Labels[labelInstall],
		Epoch:        epoch(c),
	}
	if c.NetworkSettings != nil {
		inst.Address = r.address(c.NetworkSettings)
	}
	if !inst.Running {
		inst.Exit = describeExit(c.State)
	}
	return inst
}

// address returns the address of the container's Livy, or "" if it has none.
func (r *Runtime) address(s *container.NetworkSettings) string {
	if r.opts.Direct {
		for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
			if n := s.Networks[name]; n != nil && n.IPAddress.IsValid() {
				return net.JoinHostPort(n.IPAddress.String(), livyPort.Port())
			}
		}
		return ""
	}
	for _, b := range s.Ports[livyPort] {
		return net.JoinHostPort(b.HostIP.String(), b.HostPort)
	}
	return ""
}

// serverOf returns the id of the server in a container.
func serverOf(labels map[string]string) string {
	return gateway.ServerID(labels[labelGateway], number(labels))
}

func number(labels map[string]string) int {
	n, _ := strconv.Atoi(labels[labelNumber])
	return max(1, n)
}

func epoch(c container.InspectResponse) int64 {
	n, _ := strconv.ParseInt(c.Config.Labels[labelEpoch], 10, 64)
	return n
}

func describeExit(s *container.State) string {
	exit := fmt.Sprintf("exit code %d", s.ExitCode)
	switch {
	case s.OOMKilled:
		exit += " (out of memory)"
	case s.Error != "":
		exit += " (" + s.Error + ")"
	case s.ExitCode == 3: // -XX:+ExitOnOutOfMemoryError
		exit += " (Java may have run out of memory)"
	}
	return exit
}

// List returns all containers of this namespace.
func (r *Runtime) List(ctx context.Context) ([]upstream.Instance, error) {
	found, err := r.api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", labelNamespace+"="+r.opts.Namespace),
	})
	if err != nil {
		return nil, callError("listing containers", err)
	}
	var all []upstream.Instance
	var failed error
	for _, c := range found.Items {
		inst, ok, err := r.Find(ctx, serverOf(c.Labels))
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if ok {
			all = append(all, inst)
		}
	}
	return all, failed
}

// Stop stops and removes a server's container; see upstream.Runtime.
func (r *Runtime) Stop(ctx context.Context, serverID string, upTo int64) error {
	c, ok, err := r.inspect(ctx, serverID)
	if err != nil || !ok || epoch(c) > upTo {
		return err
	}
	// Use the container's id from here on: the name may belong to another one by now.
	grace := int(r.opts.Grace.Seconds())
	if _, err := r.api.ContainerStop(ctx, c.ID,
		client.ContainerStopOptions{Timeout: &grace}); err != nil && !cerrdefs.IsNotFound(err) {
		return callError("stopping the container of gateway "+serverID, err)
	}
	if lines, err := r.containerLogs(ctx, c.ID, keptLines); err != nil {
		r.logger.Warn("could not keep the last log of a gateway",
			zap.String("gateway", serverID), zap.Error(err))
	} else if err := r.last.Keep(serverID, lines); err != nil {
		r.logger.Warn("could not keep the last log of a gateway",
			zap.String("gateway", serverID), zap.Error(err))
	}
	_, err = r.api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return callError("removing the container of gateway "+serverID, err)
	}
	return nil
}
