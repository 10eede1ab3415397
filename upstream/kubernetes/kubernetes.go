// Package kubernetes runs each Livy server in a pod of its own, with the gateway's CPU and memory
// as limits. Pods outlive the process that created them and are found again by their labels. All
// gateways of a process share one watch.
package kubernetes

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/upstream"
)

// Runtime runs Livy servers in pods.
type Runtime struct {
	opts      Options
	logger    *zap.Logger
	connector connector
	pods      *pods
	forwards  forwards
	last      upstream.LastLogs
	usage     usage
	// confirming is how long a node may take to confirm the end of a pod, after its grace.
	confirming time.Duration
}

// Interface guards
var (
	_ upstream.Runtime      = (*Runtime)(nil)
	_ upstream.Forgetter    = (*Runtime)(nil)
	_ upstream.Pinger       = (*Runtime)(nil)
	_ upstream.DriverHoster = (*Runtime)(nil)
	_ upstream.PodHoster    = (*Runtime)(nil)
)

// New returns a Runtime. It does no I/O.
func New(opts Options, logger *zap.Logger) (*Runtime, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	return &Runtime{
		opts: opts, logger: logger, pods: newPods(labelInstallation + "=" + opts.Installation), last: upstream.LastLogs{Dir: opts.LogDir},
		confirming: 30 * time.Second,
	}, nil
}

// Name returns "kubernetes".
func (r *Runtime) Name() string { return "kubernetes" }

var _ upstream.Mounter = (*Runtime)(nil)

// MountsDirectories marks a Mounter.
func (r *Runtime) MountsDirectories() {}

// Close ends the watch and what is forwarded; pods keep running.
func (r *Runtime) Close() error {
	r.pods.close()
	r.forwards.close()
	return nil
}

// connected returns the API, and starts the watch.
func (r *Runtime) connected() (*kubeapi.Client, error) {
	a, err := r.connector.get(&r.opts)
	if err == nil {
		r.pods.follow(a)
	}
	return a, err
}

// lookUp asks the API for a server's pod. A pod of that name without the labels belongs to
// somebody else; ours is false then.
func (r *Runtime) lookUp(ctx context.Context, a *kubeapi.Client, serverID string) (pod *corev1.Pod, ours bool, err error) {
	pod = &corev1.Pod{}
	err = a.Get(ctx, "pods", podName(serverID), pod)
	if apierrors.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, kubeapi.CallError("reading the pod of gateway "+serverID, err)
	}
	return pod, r.owns(pod, serverID), nil
}

func (r *Runtime) owns(pod *corev1.Pod, serverID string) bool {
	return pod.Labels[labelInstallation] == r.opts.Installation && serverOf(pod) == serverID
}

// Stop deletes a server's pod and what belongs to it; see upstream.Runtime.
func (r *Runtime) Stop(ctx context.Context, serverID string, upTo int64) error {
	a, err := r.connected()
	if err != nil {
		return err
	}
	pod, ours, err := r.lookUp(ctx, a, serverID)
	if err != nil || pod != nil && (!ours || epochOf(pod) > upTo) {
		return err
	}
	if pod == nil {
		r.pods.forget(podName(serverID), nil)
		return nil
	}
	if lines, err := r.podLogs(ctx, a, pod.Name, keptLines); err == nil && len(lines) > 0 {
		if err := r.last.Keep(serverID, lines); err != nil {
			r.logger.Warn("could not keep the last log of a gateway", zap.String("gateway", serverID), zap.Error(err))
		}
	}
	return r.end(ctx, a, serverID, pod, int64(r.opts.Grace.Seconds()))
}

// end deletes a pod and what belongs to it, and waits until it is gone. The pod of a node that
// does not answer is removed from the API when its time is over.
func (r *Runtime) end(ctx context.Context, a *kubeapi.Client, serverID string, pod *corev1.Pod, grace int64) error {
	remove := func(seconds int64) error {
		err := a.Remove(ctx, a.Core, a.Namespace, "pods", pod.Name, &metav1.DeleteOptions{
			GracePeriodSeconds: &seconds, Preconditions: &metav1.Preconditions{UID: &pod.UID},
		})
		if apierrors.IsConflict(err) {
			return nil // it is gone, and another one has its name
		}
		if err != nil {
			return kubeapi.CallError("deleting the pod of gateway "+serverID, err)
		}
		return nil
	}
	r.pods.end(pod.UID)
	// Zero would take the pod from the API before its processes have ended.
	if err := remove(max(1, grace)); err != nil {
		return err
	}
	deadline := time.Now().Add(time.Duration(grace)*time.Second + r.confirming)
	for forced := false; ; {
		now, _, err := r.lookUp(ctx, a, serverID)
		if err != nil {
			return err
		}
		if now == nil || now.UID != pod.UID {
			break
		}
		if time.Now().After(deadline) && !forced {
			r.logger.Warn("the node of a pod does not confirm its end; the pod is removed from the API", zap.String("pod", pod.Name), zap.String("node", pod.Spec.NodeName))
			if err := remove(0); err != nil {
				return err
			}
			forced = true
			continue
		}
		r.awaitGone(ctx, pod)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	r.pods.forget(pod.Name, pod)
	r.forwards.drop(pod.Name)
	return r.removeObjects(ctx, a, pod)
}

// awaitGone waits until the watch sees that a pod is gone, for two seconds.
func (r *Runtime) awaitGone(ctx context.Context, pod *corev1.Pod) {
	timer := time.NewTimer(2 * time.Second)
	defer timer.Stop()
	for {
		seen, _, changed := r.pods.seen(pod.Name)
		if seen == nil || seen.UID != pod.UID {
			// The list may be behind our own create; the caller asks again.
			select {
			case <-ctx.Done():
			case <-timer.C:
			case <-time.After(50 * time.Millisecond):
			}
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-changed:
		}
	}
}

// Find returns a server's pod; see upstream.Runtime. It makes no call if the watch works and the
// pod runs or does not exist.
func (r *Runtime) Find(ctx context.Context, serverID string) (upstream.Instance, bool, error) {
	a, err := r.connected()
	if err != nil {
		return upstream.Instance{}, false, err
	}
	fresh, err := r.pods.current(ctx)
	if err != nil {
		return upstream.Instance{}, false, err
	}
	pod, gone, _ := r.pods.seen(podName(serverID))
	if !fresh || pod != nil && !judge(pod, r.opts.PendingTimeout, time.Now()).steady {
		if pod, _, err = r.lookUp(ctx, a, serverID); err != nil {
			return upstream.Instance{}, false, err
		}
	}
	if pod == nil {
		r.forwards.drop(podName(serverID))
	}
	if pod == nil && gone != nil && r.owns(gone, serverID) {
		inst, err := r.instance(ctx, a, gone)
		inst.Running, inst.Exit = false, describeGone(gone)
		return inst, err == nil, err
	}
	if pod == nil || !r.owns(pod, serverID) {
		return upstream.Instance{}, false, nil
	}
	inst, err := r.instance(ctx, a, pod)
	return inst, err == nil, err
}

// List returns all pods of this installation.
func (r *Runtime) List(ctx context.Context) ([]upstream.Instance, error) {
	a, err := r.connected()
	if err != nil {
		return nil, err
	}
	if _, err := r.pods.current(ctx); err != nil {
		return nil, err
	}
	var all []upstream.Instance
	var failed error
	for _, pod := range r.pods.all() {
		inst, err := r.instance(ctx, a, pod)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		all = append(all, inst)
	}
	return all, failed
}

// Ping checks that the API answers.
func (r *Runtime) Ping(ctx context.Context) error {
	a, err := r.connected()
	if err != nil {
		return err
	}
	if _, err := r.version(ctx, a); err != nil {
		return kubeapi.CallError("asking the Kubernetes API for its version", err)
	}
	return nil
}

// DriverHost returns the pod's address; see upstream.DriverHoster.
func (r *Runtime) DriverHost(ctx context.Context, serverID string) (string, error) {
	if r.opts.Reach == ReachPortForward {
		return "", gateway.Errorf(gateway.KindUnavailable, "drivers in pods cannot be reached with reach %s of runtime kubernetes", ReachPortForward)
	}
	if _, err := r.connected(); err != nil {
		return "", err
	}
	if _, err := r.pods.current(ctx); err != nil {
		return "", err
	}
	pod, _, _ := r.pods.seen(podName(serverID))
	if pod == nil || pod.Status.PodIP == "" || !r.owns(pod, serverID) {
		return "", gateway.Errorf(gateway.KindUnavailable, "gateway %s has no pod with an address", serverID)
	}
	return pod.Status.PodIP, nil
}

// Access returns how the cluster is reached; see upstream.PodHoster.
func (r *Runtime) Access() kubeapi.Access { return r.opts.access() }

// Pod returns a server's pod; see upstream.PodHoster.
func (r *Runtime) Pod(serverID string) (namespace, name string, err error) {
	a, err := r.connector.get(&r.opts)
	if err != nil {
		return "", "", err
	}
	return a.Namespace, podName(serverID), nil
}

// Forget removes the last log of a deleted gateway.
func (r *Runtime) Forget(_ context.Context, serverID string) error { return r.last.Forget(serverID) }

var noToken = new(false)
