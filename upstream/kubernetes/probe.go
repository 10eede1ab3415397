package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"io"

	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/upstream"
)

// Interface guard
var _ upstream.Prober = (*Runtime)(nil)

// CPUFlags returns the CPU flags of the pod's node, read in the pod; see upstream.Prober.
func (r *Runtime) CPUFlags(ctx context.Context, serverID string) ([]string, error) {
	text, err := r.run(ctx, serverID, "grep", "-m", "1", "-E", "^(flags|Features)", "/proc/cpuinfo")
	if err != nil {
		return nil, gateway.Wrap(gateway.KindUnavailable, "reading the CPU flags", err)
	}
	flags := upstream.ParseCPUFlags(text)
	if len(flags) == 0 {
		return nil, gateway.Errorf(gateway.KindUnavailable, "reading the CPU flags: none in /proc/cpuinfo of the pod")
	}
	return flags, nil
}

// HasFile reports whether a path exists in the gateway's pod.
func (r *Runtime) HasFile(ctx context.Context, serverID, path string) (bool, error) {
	_, err := r.run(ctx, serverID, "test", "-e", path)
	if _, ok := errors.AsType[exec.CodeExitError](err); ok {
		return false, nil
	}
	if err != nil {
		return false, gateway.Wrap(gateway.KindUnavailable, "looking for "+path+" in the pod", err)
	}
	return true, nil
}

// run runs a program in a server's pod and returns its output.
func (r *Runtime) run(ctx context.Context, serverID string, command ...string) (string, error) {
	a, err := r.connected()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, kubeapi.CallTimeout)
	defer cancel()
	req := a.Core.Get().Namespace(a.Namespace).Resource("pods").Name(podName(serverID)).SubResource("exec").
		Param("container", container).Param("stdout", "true").Param("stderr", "true")
	for _, word := range command {
		req.Param("command", word)
	}
	executor, err := remotecommand.NewWebSocketExecutor(a.Config, "GET", req.URL().String())
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: io.Discard})
	return out.String(), err
}
