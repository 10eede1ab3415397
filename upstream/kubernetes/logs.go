package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/upstream"
)

// keptLines is the number of log lines kept after a pod is deleted.
const keptLines = 1000

// Logs returns the last lines of the server's pod, or of the last one deleted.
func (r *Runtime) Logs(ctx context.Context, serverID string, lines int) ([]string, error) {
	a, err := r.connected()
	if err != nil {
		return nil, err
	}
	pod, ours, err := r.lookUp(ctx, a, serverID)
	if err != nil {
		return nil, err
	}
	if pod == nil || !ours {
		return r.last.Read(serverID, lines)
	}
	return r.podLogs(ctx, a, pod.Name, lines)
}

func (r *Runtime) podLogs(ctx context.Context, a *kubeapi.Client, pod string, lines int) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, kubeapi.CallTimeout)
	defer cancel()
	text, err := a.Core.Get().Namespace(a.Namespace).Resource("pods").Name(pod).SubResource("log").
		Param("container", container).Param("tailLines", strconv.Itoa(lines)).Param("limitBytes", strconv.Itoa(4<<20)).Do(ctx).Raw()
	if apierrors.IsBadRequest(err) || apierrors.IsNotFound(err) {
		return nil, nil // its container has not begun
	}
	if err != nil {
		return nil, kubeapi.CallError("reading the log of pod "+pod, err)
	}
	return upstream.LastLines(string(text), lines), nil
}

// metadata reads an object's metadata.
func metadata(body []byte) (metav1.PartialObjectMetadata, error) {
	var m metav1.PartialObjectMetadata
	if err := json.Unmarshal(body, &m); err != nil {
		return m, fmt.Errorf("reading an object of Kubernetes: %w", err)
	}
	return m, nil
}

// version returns the version of the cluster.
func (r *Runtime) version(ctx context.Context, a *kubeapi.Client) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, kubeapi.CallTimeout)
	defer cancel()
	body, err := a.Core.Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", err
	}
	var v struct{ GitVersion string }
	if err := json.Unmarshal(body, &v); err != nil {
		return "", fmt.Errorf("reading the version of Kubernetes: %w", err)
	}
	return v.GitVersion, nil
}
