package sparkpods

import (
	"context"
	"maps"
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
	// gone are the drivers whose pods are gone, as far as it is known how they ended.
	gone  map[types.UID]goneDriver
	watch kubeapi.Watched
}

// goneDriver is a driver whose pod was seen to be gone at a time.
type goneDriver struct {
	Pod
	at time.Time
}

func newNamespace(name string) *namespace {
	return &namespace{
		name: name, byUID: make(map[types.UID]Pod), gone: make(map[types.UID]goneDriver), watch: kubeapi.NewWatched(),
	}
}

// pods waits until the pods have been listed.
func (n *namespace) pods(ctx context.Context, gatewayID string) (list []Pod, err error) {
	err = n.read(ctx, func() {
		for _, p := range n.byUID {
			if p.Gateway == gatewayID {
				list = append(list, p)
			}
		}
	})
	return list, err
}

// driver returns the driver's pod of a job. That it is not there, or still runs, is told only by
// a watch that works; how it ended does not change any more.
func (n *namespace) driver(ctx context.Context, j Job) (p Pod, found bool, err error) {
	n.mu.Lock()
	p, found = n.driverLocked(j)
	n.mu.Unlock()
	if found && (p.Succeeded || p.Failure != "") {
		return p, true, nil
	}
	var broken error
	err = n.read(ctx, func() {
		p, found = n.driverLocked(j)
		if !p.Succeeded && p.Failure == "" {
			broken = n.watch.Failure
		}
	})
	if err == nil && broken != nil {
		err = n.watchError(broken)
	}
	return p, found, err
}

func (n *namespace) driverLocked(j Job) (found Pod, ok bool) {
	for _, p := range n.byUID {
		if p.isDriverOf(j) {
			return p, true
		}
	}
	for _, p := range n.gone {
		if p.isDriverOf(j) {
			return p.Pod, true
		}
	}
	return found, false
}

// read calls f, under the lock, once the pods have been listed.
func (n *namespace) read(ctx context.Context, f func()) error {
	ctx, cancel := context.WithTimeout(ctx, kubeapi.CallTimeout)
	defer cancel()
	for {
		n.mu.Lock()
		changed := n.watch.Changed
		if n.watch.Failure != nil && (!n.watch.Listed || !n.watch.Fresh()) {
			err := n.watch.Failure
			n.mu.Unlock()
			return n.watchError(err)
		}
		if n.watch.Listed {
			defer n.mu.Unlock()
			f()
			return nil
		}
		n.mu.Unlock()
		select {
		case <-ctx.Done():
			return gateway.Errorf(gateway.KindUnavailable, "the Kubernetes API did not list the pods of jobs in namespace %s in time", n.name)
		case <-changed:
		}
	}
}

func (n *namespace) watchError(err error) error {
	return kubeapi.CallError("watching the pods of jobs in namespace "+n.name, err)
}

// Listed implements kubeapi.Follower.
func (n *namespace) Listed(pods []corev1.Pod, _ string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.byUID
	n.byUID = make(map[types.UID]Pod, len(pods))
	for i := range pods {
		n.byUID[pods[i].UID] = podOf(&pods[i])
		delete(before, pods[i].UID)
	}
	for _, p := range before { // how those that still ran have ended, nobody knows
		n.rememberLocked(p)
	}
	n.watch.Listed = true
	n.watch.Signal()
}

// Changed implements kubeapi.Follower.
func (n *namespace) Changed(pod *corev1.Pod, deleted bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := podOf(pod)
	if deleted {
		delete(n.byUID, pod.UID)
		if p.Running {
			p.Failure = "the pod was deleted while it ran"
		}
		n.rememberLocked(p)
	} else {
		n.byUID[pod.UID] = p
	}
	n.watch.Signal()
}

// remembered is how long it is known how drivers ended whose pods are gone.
const remembered = 10 * time.Minute

// rememberLocked keeps how a driver ended whose pod is gone. It requires n.mu.
func (n *namespace) rememberLocked(p Pod) {
	now := time.Now()
	maps.DeleteFunc(n.gone, func(_ types.UID, g goneDriver) bool { return now.Sub(g.at) > remembered })
	if p.Driver && (p.Succeeded || p.Failure != "") {
		p.Running = false
		n.gone[p.UID] = goneDriver{p, now}
	}
}

// Watching implements kubeapi.Follower.
func (n *namespace) Watching(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watch.Note(err)
}
