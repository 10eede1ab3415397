package sparkpods

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
)

// namespace has the pods of jobs in a namespace. It is a kubeapi.Follower.
type namespace struct {
	name  string
	stop  context.CancelFunc
	asked time.Time // guarded by the cluster's lock

	mu    sync.Mutex
	byUID map[types.UID]Pod
	watch kubeapi.Watched
}

func newNamespace(name string) *namespace {
	return &namespace{name: name, byUID: make(map[types.UID]Pod), watch: kubeapi.NewWatched()}
}

// pods waits until the pods have been listed.
func (n *namespace) pods(ctx context.Context, gatewayID string) ([]Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, kubeapi.CallTimeout)
	defer cancel()
	for {
		n.mu.Lock()
		changed := n.watch.Changed
		if n.watch.Failure != nil && (!n.watch.Listed || !n.watch.Fresh()) {
			err := n.watch.Failure
			n.mu.Unlock()
			return nil, kubeapi.CallError("watching the pods of jobs in namespace "+n.name, err)
		}
		if n.watch.Listed {
			defer n.mu.Unlock()
			return n.of(gatewayID), nil
		}
		n.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, gateway.Errorf(gateway.KindUnavailable, "the Kubernetes API did not list the pods of jobs in namespace %s in time", n.name)
		case <-changed:
		}
	}
}

func (n *namespace) of(gatewayID string) (list []Pod) {
	for _, p := range n.byUID {
		if p.Gateway == gatewayID {
			list = append(list, p)
		}
	}
	return list
}

// Listed implements kubeapi.Follower.
func (n *namespace) Listed(pods []corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.byUID)
	for i := range pods {
		n.byUID[pods[i].UID] = podOf(&pods[i])
	}
	n.watch.Listed = true
	n.watch.Signal()
}

// Changed implements kubeapi.Follower.
func (n *namespace) Changed(pod *corev1.Pod, deleted bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if deleted {
		delete(n.byUID, pod.UID)
	} else {
		n.byUID[pod.UID] = podOf(pod)
	}
	n.watch.Signal()
}

// Watching implements kubeapi.Follower.
func (n *namespace) Watching(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watch.Note(err)
}
