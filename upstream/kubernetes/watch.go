package kubernetes

import (
	"context"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
)

// pods is the list of the installation's pods, kept up to date by one watch for all gateways.
type pods struct {
	selector string

	mu      sync.Mutex
	byName  map[string]*corev1.Pod
	gone    map[string]*corev1.Pod // the last of those that somebody else deleted
	ending  map[types.UID]bool     // those that we delete
	watch   kubeapi.Watched
	started bool
	stop    context.CancelFunc
}

func newPods(selector string) *pods {
	return &pods{selector: selector, byName: map[string]*corev1.Pod{}, gone: map[string]*corev1.Pod{}, ending: map[types.UID]bool{}, watch: kubeapi.NewWatched()}
}

// follow starts the watch, once.
func (p *pods) follow(a *kubeapi.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.started, p.stop = true, cancel
	go a.FollowPods(ctx, a.Namespace, p.selector, p)
}

func (p *pods) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started = true
	if p.stop != nil {
		p.stop()
	}
}

// Listed, Changed and Watching are the methods of a kubeapi.Follower.
func (p *pods) Listed(list []corev1.Pod, version string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := map[string]*corev1.Pod{}
	for i := range list {
		now[list[i].Name] = &list[i]
	}
	for name, pod := range p.byName {
		switch {
		case precedes(version, pod.ResourceVersion):
			now[name] = pod // it was created while the list was read
		case now[name] == nil || now[name].UID != pod.UID:
			p.vanished(pod)
		}
	}
	p.byName, p.watch.Listed = now, true
	p.watch.Signal()
}

func (p *pods) Changed(pod *corev1.Pod, deleted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if deleted {
		if now := p.byName[pod.Name]; now != nil && now.UID == pod.UID {
			delete(p.byName, pod.Name)
		}
		p.vanished(pod)
	} else if now := p.byName[pod.Name]; now == nil || now.UID == pod.UID || !precedes(pod.ResourceVersion, now.ResourceVersion) {
		p.byName[pod.Name] = pod
	}
	p.watch.Signal()
}

// precedes reports whether one resource version is older than another; they are rising numbers. We may
// know a pod that we have created before the watch, or a list, tells of it, or of the last of its
// predecessor.
func precedes(version, other string) bool {
	a, err := strconv.ParseUint(version, 10, 64)
	b, otherErr := strconv.ParseUint(other, 10, 64)
	return err == nil && otherErr == nil && a < b
}

func (p *pods) Watching(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch.Note(err)
}

// vanished records that a pod is gone, unless it was we who deleted it. The caller holds the lock.
func (p *pods) vanished(pod *corev1.Pod) {
	if !p.ending[pod.UID] {
		p.gone[pod.Name] = pod
	}
	delete(p.ending, pod.UID)
}

// end tells that we are about to delete a pod.
func (p *pods) end(id types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending[id] = true
}

// current waits until the pods have been listed. fresh is false if the watch has been broken for
// a while, so that a pod is better asked for.
func (p *pods) current(ctx context.Context) (fresh bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, kubeapi.CallTimeout)
	defer cancel()
	for {
		p.mu.Lock()
		listed, fresh, failure, changed := p.watch.Listed, p.watch.Fresh(), p.watch.Failure, p.watch.Changed
		p.mu.Unlock()
		if listed {
			return fresh, nil
		}
		if failure != nil {
			return false, kubeapi.CallError("listing the pods of Livy servers", failure)
		}
		select {
		case <-ctx.Done():
			return false, gateway.Errorf(gateway.KindUnavailable, "the Kubernetes API did not list the pods of Livy servers in time")
		case <-changed:
		}
	}
}

// seen returns a pod as it was last seen, one that somebody deleted, and what is closed with the
// next change.
func (p *pods) seen(name string) (pod, gone *corev1.Pod, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byName[name], p.gone[name], p.watch.Changed
}

// put records the result of our own call, unless the watch was faster.
func (p *pods) put(pod *corev1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.gone, pod.Name)
	if now := p.byName[pod.Name]; now == nil || now.UID != pod.UID {
		p.byName[pod.Name] = pod
		p.watch.Signal()
	}
}

// forget removes a pod that we have deleted.
func (p *pods) forget(name string, pod *corev1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.byName[name]; pod != nil && now != nil && now.UID == pod.UID {
		delete(p.byName, name)
		p.watch.Signal()
	}
	delete(p.gone, name)
}

func (p *pods) all() []*corev1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]*corev1.Pod, 0, len(p.byName))
	for _, pod := range p.byName {
		list = append(list, pod)
	}
	return list
}
