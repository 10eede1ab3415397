package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"

	"github.com/livygateway/livygateway/internal/gateway"
)

// stale is how long the list of pods is believed after the watch has broken.
const stale = 20 * time.Second

// pods is the list of the installation's pods, kept up to date by one watch for all gateways.
type pods struct {
	selector string

	mu      sync.Mutex
	byName  map[string]*corev1.Pod
	gone    map[string]*corev1.Pod // the last of those that somebody else deleted
	ending  map[types.UID]bool     // those that we delete
	changed chan struct{}          // closed with the next change
	listed  bool
	broken  time.Time // since when there is no watch; zero: there is one
	failure error
	started bool
	stop    context.CancelFunc
}

func newPods(selector string) *pods {
	return &pods{selector: selector, byName: map[string]*corev1.Pod{}, gone: map[string]*corev1.Pod{}, ending: map[types.UID]bool{}, changed: make(chan struct{}), broken: time.Now()}
}

// follow starts the watch, once.
func (p *pods) follow(a *api) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.started, p.stop = true, cancel
	go p.run(ctx, a)
}

func (p *pods) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started = true
	if p.stop != nil {
		p.stop()
	}
}

func (p *pods) run(ctx context.Context, a *api) {
	pause := 200 * time.Millisecond
	for ctx.Err() == nil {
		version, err := p.list(ctx, a)
		if err == nil {
			pause = 200 * time.Millisecond
			err = p.watch(ctx, a, version)
		}
		p.mu.Lock()
		if p.broken.IsZero() {
			p.broken = time.Now()
		}
		p.failure = err
		p.signal()
		p.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, 10*time.Second)
	}
}

func (p *pods) list(ctx context.Context, a *api) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var list corev1.PodList
	err = a.core.Get().Namespace(a.namespace).Resource("pods").
		VersionedParams(&metav1.ListOptions{LabelSelector: p.selector}, parameters).Do(ctx).Into(&list)
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := map[string]*corev1.Pod{}
	for i := range list.Items {
		now[list.Items[i].Name] = &list.Items[i]
	}
	for name, pod := range p.byName {
		if now[name] == nil || now[name].UID != pod.UID {
			p.vanished(pod)
		}
	}
	p.byName, p.listed = now, true
	p.signal()
	return list.ResourceVersion, nil
}

// watch follows changes until the watch ends. Where it ends in order, as it does every few
// minutes, it is continued from the last version.
func (p *pods) watch(ctx context.Context, a *api, version string) error {
	for {
		w, err := a.core.Get().Namespace(a.namespace).Resource("pods").VersionedParams(&metav1.ListOptions{
			LabelSelector: p.selector, Watch: true, ResourceVersion: version, AllowWatchBookmarks: true, TimeoutSeconds: ptr.To(int64(300)),
		}, parameters).Watch(ctx)
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.broken, p.failure = time.Time{}, nil
		p.mu.Unlock()
		began := time.Now()
		version, err = p.receive(w, version)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) < time.Second {
			return errors.New("the watch ended at once")
		}
	}
}

func (p *pods) receive(w watch.Interface, version string) (string, error) {
	defer w.Stop()
	for e := range w.ResultChan() {
		pod, ok := e.Object.(*corev1.Pod)
		if !ok {
			if e.Type == watch.Error {
				return "", apierrors.FromObject(e.Object)
			}
			return "", fmt.Errorf("the watch sent a %T", e.Object)
		}
		version = pod.ResourceVersion
		if e.Type == watch.Bookmark {
			continue
		}
		p.mu.Lock()
		if e.Type == watch.Deleted {
			if now := p.byName[pod.Name]; now != nil && now.UID == pod.UID {
				delete(p.byName, pod.Name)
			}
			p.vanished(pod)
		} else {
			p.byName[pod.Name] = pod
		}
		p.signal()
		p.mu.Unlock()
	}
	return version, nil
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

// signal wakes those who wait for a change. The caller holds the lock.
func (p *pods) signal() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// current waits until the pods have been listed. fresh is false if the watch has been broken for
// a while, so that a pod is better asked for.
func (p *pods) current(ctx context.Context) (fresh bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for {
		p.mu.Lock()
		listed, broken, failure, changed := p.listed, p.broken, p.failure, p.changed
		p.mu.Unlock()
		if listed {
			return broken.IsZero() || time.Since(broken) < stale, nil
		}
		if failure != nil {
			return false, callError("listing the pods of Livy servers", failure)
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
	return p.byName[name], p.gone[name], p.changed
}

// put records the result of our own call, unless the watch was faster.
func (p *pods) put(pod *corev1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.gone, pod.Name)
	if now := p.byName[pod.Name]; now == nil || now.UID != pod.UID {
		p.byName[pod.Name] = pod
		p.signal()
	}
}

// forget removes a pod that we have deleted.
func (p *pods) forget(name string, pod *corev1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.byName[name]; pod != nil && now != nil && now.UID == pod.UID {
		delete(p.byName, name)
		p.signal()
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
