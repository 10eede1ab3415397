package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/upstream"
)

// Start starts a pod; see upstream.Runtime.
func (r *Runtime) Start(ctx context.Context, l upstream.Launch) (upstream.Instance, error) {
	if err := r.check(&l); err != nil {
		return upstream.Instance{}, err
	}
	a, err := r.connected()
	if err != nil {
		return upstream.Instance{}, err
	}
	old, ours, err := r.lookUp(ctx, a, l.ServerID())
	if err != nil {
		return upstream.Instance{}, err
	}
	if old != nil {
		now := judge(old, r.opts.PendingTimeout, time.Now())
		if !ours || epochOf(old) > l.Epoch || now.running && epochOf(old) >= l.Epoch {
			return upstream.Instance{}, gateway.Errorf(gateway.KindConflict,
				"gateway %s already runs as pod %s/%s", l.ServerID(), old.Namespace, old.Name)
		}
		// It ended, or was started by an instance that had lost the lease.
		if err := r.Stop(ctx, l.ServerID(), l.Epoch); err != nil {
			return upstream.Instance{}, err
		}
	}
	// Nothing runs yet: a gate keeps the scheduler from the pod.
	pod := r.pod(a, &l)
	if err := a.Create(ctx, a.Core, "pods", pod); err != nil {
		return upstream.Instance{}, startError(&l, err)
	}
	inst, err := r.fillAndStart(ctx, a, &l, pod)
	if err != nil {
		r.undo(a, &l, pod)
		return upstream.Instance{}, err
	}
	r.logger.Info("started a Livy pod", zap.String("gateway", l.ServerID()), zap.String("namespace", pod.Namespace),
		zap.String("pod", pod.Name), zap.String("instance", inst.ID), zap.String("address", inst.Address))
	return inst, nil
}

func (r *Runtime) fillAndStart(ctx context.Context, a *kubeapi.Client, l *upstream.Launch, pod *corev1.Pod) (upstream.Instance, error) {
	objects, err := r.objects(a, l, pod)
	if err != nil {
		return upstream.Instance{}, err
	}
	for _, o := range objects {
		if err := o.replace(ctx, a); err != nil {
			return upstream.Instance{}, startError(l, err)
		}
	}
	if err := l.Confirmed(ctx); err != nil {
		return upstream.Instance{}, err
	}
	// The version makes this fail if the pod was deleted or replaced in the meantime.
	patch, err := json.Marshal([]map[string]any{
		{"op": "test", "path": "/metadata/uid", "value": pod.UID},
		{"op": "remove", "path": "/spec/schedulingGates"},
	})
	if err != nil {
		return upstream.Instance{}, fmt.Errorf("encoding a patch: %w", err)
	}
	calling, cancel := context.WithTimeout(ctx, kubeapi.CallTimeout)
	defer cancel()
	err = a.Core.Patch(types.JSONPatchType).Namespace(a.Namespace).Resource("pods").Name(pod.Name).Body(patch).Do(calling).Into(pod)
	if apierrors.IsNotFound(err) {
		return upstream.Instance{}, gateway.Errorf(gateway.KindConflict, "pod %s was deleted while it was to be started", pod.Name)
	}
	if err != nil {
		return upstream.Instance{}, startError(l, err)
	}
	if pod.DeletionTimestamp != nil {
		return upstream.Instance{}, gateway.Errorf(gateway.KindConflict, "pod %s was deleted while it was to be started", pod.Name)
	}
	r.pods.put(pod)
	if err := r.unpack(ctx, a, l, pod); err != nil {
		return upstream.Instance{}, err
	}
	return r.awaitStart(ctx, a, l, pod)
}

// startPatience is how long Start waits for a pod. One that waits longer, for a node or an image,
// or that no node takes, is looked after by Find.
const startPatience = 20 * time.Second

// awaitStart waits until a pod has an address and its program runs or ran.
func (r *Runtime) awaitStart(ctx context.Context, a *kubeapi.Client, l *upstream.Launch, pod *corev1.Pod) (upstream.Instance, error) {
	patience := time.NewTimer(startPatience)
	defer patience.Stop()
	uid := pod.UID
	for {
		seen, _, changed := r.pods.seen(pod.Name)
		if seen == nil || seen.UID != uid {
			return upstream.Instance{}, gateway.Errorf(gateway.KindConflict, "pod %s was deleted while it started", pod.Name)
		}
		now := judge(seen, r.opts.PendingTimeout, time.Now())
		if now.launched || now.unplaced {
			return r.instance(ctx, a, seen)
		}
		if !now.running {
			return upstream.Instance{}, gateway.Errorf(gateway.KindUnavailable, "pod %s of gateway %s does not start: %s%s",
				pod.Name, l.ServerID(), now.exit, r.events(ctx, a, seen, now.exit))
		}
		select {
		case <-ctx.Done():
			return upstream.Instance{}, ctx.Err()
		case <-patience.C:
			return r.instance(ctx, a, seen)
		case <-changed:
		}
	}
}

// undo removes what a failed start created, even if the caller's context has ended.
func (r *Runtime) undo(a *kubeapi.Client, l *upstream.Launch, pod *corev1.Pod) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.end(ctx, a, l.ServerID(), pod, 0); err != nil {
		r.logger.Error("could not remove a pod that did not start", zap.String("pod", pod.Name), zap.Error(err))
	}
}

// startError returns the error of a failed start, with advice where possible.
func startError(l *upstream.Launch, err error) error {
	doing := "creating the pod of gateway " + l.ServerID()
	switch {
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota"):
		return gateway.Wrap(gateway.KindUnavailable, "the quota of the Kubernetes namespace has no room for gateway "+l.ServerID()+
			"; stop another gateway, choose less CPU or memory, or raise the quota", err)
	case apierrors.IsAlreadyExists(err), apierrors.IsConflict(err):
		return gateway.Wrap(gateway.KindConflict, doing, err)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err):
		return gateway.Wrap(gateway.KindInvalid, doing, err)
	default:
		return kubeapi.CallError(doing, err)
	}
}
