package docker

import (
	"bytes"
	"context"
	"io"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// maxCPUInfo bounds the part of /proc/cpuinfo that is read; one core needs less.
const maxCPUInfo = 32 << 10

// CPUFlags returns the CPU flags of the Docker engine's machine, read in the gateway's running
// container; see upstream.Prober.
func (r *Runtime) CPUFlags(ctx context.Context, serverID string) ([]string, error) {
	const doing = "reading the CPU flags"
	exec, err := r.api.ExecCreate(ctx, containerName(serverID), client.ExecCreateOptions{
		Cmd: []string{"cat", "/proc/cpuinfo"}, AttachStdout: true,
	})
	if err != nil {
		return nil, callError(doing, err)
	}
	attached, err := r.api.ExecAttach(ctx, exec.ID, client.ExecAttachOptions{})
	if err != nil {
		return nil, callError(doing, err)
	}
	defer attached.Close()
	defer context.AfterFunc(ctx, attached.Close)() // reads do not take a context
	var text bytes.Buffer
	// The limit may end in the middle of a frame, which is not an error.
	if _, err := stdcopy.StdCopy(&text, io.Discard,
		io.LimitReader(attached.Reader, maxCPUInfo)); err != nil && text.Len() == 0 {
		return nil, callError(doing, err)
	}
	flags := upstream.ParseCPUFlags(text.String())
	if len(flags) == 0 {
		return nil, gateway.Errorf(gateway.KindUnavailable, "%s: no flags in /proc/cpuinfo of the container",
			doing)
	}
	return flags, nil
}

// HasFile reports whether a path exists in the gateway's container.
func (r *Runtime) HasFile(ctx context.Context, serverID, path string) (bool, error) {
	_, err := r.api.ContainerStatPath(ctx, containerName(serverID), client.ContainerStatPathOptions{Path: path})
	if cerrdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, callError("looking for "+path+" in the container", err)
	}
	return true, nil
}

// Interface guard
var _ upstream.Prober = (*Runtime)(nil)
