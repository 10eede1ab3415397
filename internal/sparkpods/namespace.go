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

// stale is how long the pods are believed after the watch has broken.
const stale = 20 * time.Second

// namespace has the pods of jobs in a namespace. It is a kubeapi.Follower.
type namespace struct {
	name  string
	stop  context.CancelFunc
	asked time.Time // guarded by the cluster's lock

	mu      sync.Mutex
	byUID   map[types.UID]Pod
	listed  bool
	broken  time.Time // since when there is no watch; zero: there is one
	failure error
	changed chan struct{} // closed with the next change
}

func newNamespace(name string) *namespace {
	return &namespace{name: name, byUID: make(map[types.UID]Pod), broken: time.Now(), changed: make(chan struct{})}
}

// pods waits until the pods have been listed.
func (n *namespace) pods(ctx context.Context, gatewayID string) ([]Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, kubeapi.CallTimeout)
	defer cancel()
	for {
		n.mu.Lock()
		changed := n.changed
		if n.failure != nil && (!n.listed || time.Since(n.broken) > stale) {
			err := n.failure
			n.mu.Unlock()
			return nil, kubeapi.CallError("watching the pods of jobs in namespace "+n.name, err)
		}
		if n.listed {
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
	n.listed = true
	n.signal()
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
	n.signal()
}

// Watching implements kubeapi.Follower.
func (n *namespace) Watching(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failure = err
	switch {
	case err == nil:
		n.broken = time.Time{}
	case n.broken.IsZero():
		n.broken = time.Now()
	}
	n.signal()
}

// signal wakes those who wait for a change. The caller holds the lock.
func (n *namespace) signal() {
	close(n.changed)
	n.changed = make(chan struct{})
}
