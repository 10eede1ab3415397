package kubernetes

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/upstream"
)

// condition is what a pod's status means for its Livy server.
type condition struct {
	running  bool // it runs, or may still begin to
	launched bool // its program was started
	steady   bool // it runs at a known address and is to stay
	exit     string
	waits    string // what it waits for
	unplaced bool   // no node takes it at present
	started  time.Time
}

// unable are reasons for which a container waits that do not pass by themselves.
var unable = []string{
	"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError",
	"CreateContainerConfigError", "CreateContainerError", "RunContainerError",
}

// judge reads the status of a pod.
func judge(pod *corev1.Pod, pendingTimeout time.Duration, now time.Time) condition {
	c := condition{started: pod.CreationTimestamp.Time}
	var server corev1.ContainerStatus
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if s.Name == container {
			server = s
		}
		if w := s.State.Waiting; w != nil && slices.Contains(unable, w.Reason) && pod.DeletionTimestamp == nil {
			c.exit = describeWaiting(s.Image, w)
			return c
		}
		if t := s.State.Terminated; s.Name == unpacker && t != nil && t.ExitCode != 0 {
			c.exit = fmt.Sprintf("archives could not be unpacked: exit code %d %s", t.ExitCode, t.Message)
			return c
		}
	}
	if t := server.State.Terminated; t != nil {
		c.launched, c.exit = true, describeExit(pod, t)
		if !t.StartedAt.IsZero() {
			c.started = t.StartedAt.Time
		}
		return c
	}
	if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		c.exit = strings.TrimSuffix(fmt.Sprintf("the pod ended (%s): %s", pod.Status.Reason, pod.Status.Message), ": ")
		return c
	}
	if pod.DeletionTimestamp != nil {
		c.launched, c.exit = server.State.Running != nil, describeGone(pod)
		return c
	}
	if server.State.Running != nil {
		c.running, c.started = true, server.State.Running.StartedAt.Time
		c.launched = pod.Status.PodIP != ""
		c.steady = c.launched
		return c
	}
	why, unplaced := describePending(pod)
	if now.Sub(pod.CreationTimestamp.Time) >= pendingTimeout {
		c.exit = fmt.Sprintf("the pod did not start within %v: %s", pendingTimeout, why)
		return c
	}
	c.running, c.waits, c.unplaced = true, why, unplaced
	return c
}

func describeWaiting(image string, w *corev1.ContainerStateWaiting) string {
	if strings.Contains(w.Reason, "Image") {
		return fmt.Sprintf("image %s cannot be used (%s): %s", image, w.Reason, w.Message)
	}
	return fmt.Sprintf("its container cannot be created (%s): %s", w.Reason, w.Message)
}

// describePending tells what a pod waits for, and whether no node takes it.
func describePending(pod *corev1.Pod) (why string, unplaced bool) {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status != corev1.ConditionTrue {
			why = fmt.Sprintf("no node takes the pod (%s): %s", c.Reason, c.Message)
			if strings.Contains(c.Message, "node(s) were unschedulable") {
				why += " Unschedulable nodes are cordoned: kubectl uncordon lets pods on them again."
			}
			return why, c.Reason == corev1.PodReasonUnschedulable
		}
	}
	if len(pod.Spec.SchedulingGates) > 0 {
		return "it was not released to the scheduler", false
	}
	return "its image or volumes are not ready on node " + pod.Spec.NodeName, false
}

// describeExit tells how the server's container ended.
func describeExit(pod *corev1.Pod, t *corev1.ContainerStateTerminated) string {
	exit := fmt.Sprintf("exit code %d", t.ExitCode)
	switch {
	case t.Reason == "OOMKilled":
		exit += " (out of memory)"
	case pod.Status.Reason == "Evicted":
		exit += " (evicted: " + pod.Status.Message + ")"
	case pod.DeletionTimestamp != nil:
		exit += " (" + describeGone(pod) + ")"
	case t.ExitCode == 3: // -XX:+ExitOnOutOfMemoryError
		exit += " (Java may have run out of memory)"
	case t.Message != "":
		exit += " (" + t.Message + ")"
	}
	return exit
}

// describeGone tells why a pod is or was deleted by somebody else.
func describeGone(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type != corev1.DisruptionTarget || c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Reason {
		case "EvictionByEvictionAPI":
			return "the pod was evicted from node " + pod.Spec.NodeName + ", which is being drained"
		case "DeletionByTaintManager":
			return "node " + pod.Spec.NodeName + " does not answer or has a taint that the pod does not tolerate"
		case "DeletionByPodGC":
			return "node " + pod.Spec.NodeName + " is gone"
		}
		return fmt.Sprintf("the pod was taken from node %s (%s): %s", pod.Spec.NodeName, c.Reason, c.Message)
	}
	return "the pod was deleted"
}

// instance returns a pod's server.
func (r *Runtime) instance(ctx context.Context, a *kubeapi.Client, pod *corev1.Pod) (upstream.Instance, error) {
	c := judge(pod, r.opts.PendingTimeout, time.Now())
	inst := upstream.Instance{
		GatewayID: pod.Labels[labelGateway], Number: numberOf(pod), ID: string(pod.UID),
		Started: c.started, Running: c.running, Exit: c.exit, Waits: c.waits,
		Installation: pod.Annotations[annotationOwner], Epoch: epochOf(pod),
	}
	if !c.running || pod.Status.PodIP == "" {
		return inst, nil
	}
	host := pod.Status.PodIP
	switch r.opts.Reach {
	case ReachPortForward:
		inst.Address = r.forwards.address(a, pod, r.logger)
		return inst, nil
	case ReachService:
		host = pod.Annotations[annotationService]
		if host == "" {
			var service corev1.Service
			if err := a.Get(ctx, "services", serviceName(pod.Name), &service); err != nil {
				return inst, kubeapi.CallError("reading the Service of gateway "+serverOf(pod), err)
			}
			host = service.Spec.ClusterIP
		}
	}
	inst.Address = net.JoinHostPort(host, strconv.Itoa(livyPort))
	return inst, nil
}

// serverOf returns the id of the server in a pod.
func serverOf(pod *corev1.Pod) string {
	return gateway.ServerID(pod.Labels[labelGateway], numberOf(pod))
}

func numberOf(pod *corev1.Pod) int {
	n, _ := strconv.Atoi(pod.Labels[labelNumber])
	return max(1, n)
}

func epochOf(pod *corev1.Pod) int64 {
	n, _ := strconv.ParseInt(pod.Labels[labelEpoch], 10, 64)
	return n
}

// events returns the last events of a pod, as an addition to what has been said. They tell of
// volumes and networks, which the status does not.
func (r *Runtime) events(ctx context.Context, a *kubeapi.Client, pod *corev1.Pod, said string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), kubeapi.CallTimeout)
	defer cancel()
	var list corev1.EventList
	err := a.Core.Get().Namespace(a.Namespace).Resource("events").VersionedParams(&metav1.ListOptions{
		FieldSelector: "involvedObject.uid=" + string(pod.UID), Limit: 50,
	}, kubeapi.Parameters).Do(ctx).Into(&list)
	if err != nil {
		return ""
	}
	var lines []string
	for _, e := range list.Items {
		if line := e.Reason + ": " + e.Message; e.Type == corev1.EventTypeWarning && !slices.Contains(lines, line) && !strings.Contains(said, e.Message) {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return "; events: " + strings.Join(lines[max(0, len(lines)-3):], "; ")
}
