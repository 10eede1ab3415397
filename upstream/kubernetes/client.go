package kubernetes

import (
	"context"
	"sync"

	"k8s.io/client-go/tools/remotecommand"

	"github.com/livygateway/livygateway/internal/kubeapi"
)

// connector reads the configuration at first use: a kubeconfig, or a service account.
type connector struct {
	mu     sync.Mutex
	client *kubeapi.Client
}

func (c *connector) get(o *Options) (*kubeapi.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		return c.client, nil
	}
	client, err := kubeapi.Open(o.access())
	if err == nil {
		c.client = client
	}
	return client, err
}

// stream connects to a container of a pod.
func stream(ctx context.Context, a *kubeapi.Client, pod, how string, params map[string]string, streams remotecommand.StreamOptions) error {
	req := a.Core.Get().Namespace(a.Namespace).Resource("pods").Name(pod).SubResource(how)
	for name, value := range params {
		req.Param(name, value)
	}
	executor, err := remotecommand.NewWebSocketExecutor(a.Config, "GET", req.URL().String())
	if err != nil {
		return err
	}
	return executor.StreamWithContext(ctx, streams)
}
