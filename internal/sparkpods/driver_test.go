package sparkpods

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/livygateway/livygateway/internal/kubeapi/kubeapitest"
)

func TestFailure(t *testing.T) {
	container := func(name string, code int32, reason, message string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message},
		}}
	}
	for want, status := range map[string]corev1.PodStatus{
		"exit code 2 (Error)": {ContainerStatuses: []corev1.ContainerStatus{
			container("sidecar", 1, "Error", ""), container(driverContainer, 2, "Error", ""),
		}},
		"exit code 137 (OOMKilled: out of memory)": {ContainerStatuses: []corev1.ContainerStatus{container(driverContainer, 137, "OOMKilled", "")}},
		"exit code 128 (StartError); no such file": {ContainerStatuses: []corev1.ContainerStatus{
			container(driverContainer, 128, "StartError", "no such\nfile"),
		}},
		"exit code 3 (Error)": {ContainerStatuses: []corev1.ContainerStatus{
			{Name: driverContainer}, container("sidecar", 0, "Completed", ""), container("main", 3, "", ""),
		}},
		"Evicted: The node was low on resource: memory.": {Reason: "Evicted", Message: "The node was low on resource: memory."},
		"DeadlineExceeded":           {Reason: "DeadlineExceeded"},
		"Kubernetes gives no reason": {},
		strings.Repeat("x", 200):     {Message: strings.Repeat("x", 300)},
	} {
		status.Phase = corev1.PodFailed
		if p := podOf(&corev1.Pod{Status: status}); p.Failure != want || p.Running || p.Succeeded {
			t.Errorf("%+v; want %q", p, want)
		}
	}
}

// end is how a driver ended, as text.
func (n *namespace) end(t *testing.T, app string) string {
	t.Helper()
	p, found, err := n.driver(t.Context(), Job{"lc-1", "livy-1", app})
	switch {
	case err != nil:
		return "error"
	case !found:
		return "none"
	case p.Succeeded:
		return "succeeded"
	case p.Failure != "":
		return p.Failure
	case p.Running:
		return "running"
	}
	return "unknown"
}

// TestDriver: how a driver ended is known while its pod is there, and for a while after.
func TestDriver(t *testing.T) {
	const noReason = "Kubernetes gives no reason"
	in := func(phase corev1.PodPhase) *corev1.Pod {
		p := driver("lc-1", "livy-1")
		p.UID, p.Status.Phase = "u-1", phase
		return p
	}
	list := func(pods ...*corev1.Pod) func(*namespace) {
		return func(n *namespace) {
			var all []corev1.Pod
			for _, p := range pods {
				all = append(all, *p)
			}
			n.Listed(all, "")
			n.Watching(nil)
		}
	}
	changed := func(p *corev1.Pod, deleted bool) func(*namespace) {
		return func(n *namespace) { n.Changed(p, deleted) }
	}
	broken := func(n *namespace) { n.Watching(errors.New("gone")) }
	executor, other := in(corev1.PodFailed), in(corev1.PodFailed)
	executor.Labels["spark-role"] = "executor"
	other.Labels["livygateway/gateway"] = "lc-2"
	for _, tt := range []struct {
		name, app string
		steps     []func(*namespace)
		want      string
	}{
		{name: "none", steps: []func(*namespace){list()}, want: "none"},
		{name: "runs", steps: []func(*namespace){list(in(corev1.PodRunning))}, want: "running"},
		{name: "succeeded", steps: []func(*namespace){list(in(corev1.PodRunning)), changed(in(corev1.PodSucceeded), false)}, want: "succeeded"},
		{name: "failed", steps: []func(*namespace){list(in(corev1.PodFailed))}, want: noReason},
		{name: "the node is lost", steps: []func(*namespace){list(in(corev1.PodUnknown))}, want: "unknown"},
		{name: "an executor", steps: []func(*namespace){list(executor)}, want: "none"},
		{name: "of another gateway", steps: []func(*namespace){list(other)}, want: "none"},
		{name: "its application", app: "spark-livy-1", steps: []func(*namespace){list(in(corev1.PodFailed))}, want: noReason},
		{name: "of another application", app: "spark-2", steps: []func(*namespace){list(in(corev1.PodFailed))}, want: "none"},
		{name: "failed, then deleted", steps: []func(*namespace){list(in(corev1.PodFailed)), changed(in(corev1.PodFailed), true)}, want: noReason},
		{name: "succeeded, then deleted", steps: []func(*namespace){list(), changed(in(corev1.PodSucceeded), true)}, want: "succeeded"},
		{
			name: "deleted while it ran", steps: []func(*namespace){list(in(corev1.PodRunning)), changed(in(corev1.PodRunning), true)},
			want: "the pod was deleted while it ran",
		},
		{name: "ended, and gone from a new list", steps: []func(*namespace){list(in(corev1.PodFailed)), broken, list()}, want: noReason},
		{name: "gone from a new list while it ran", steps: []func(*namespace){list(in(corev1.PodRunning)), broken, list()}, want: "none"},
		{name: "nobody watches one that ran", steps: []func(*namespace){list(in(corev1.PodRunning)), broken}, want: "error"},
		{name: "nobody watches", steps: []func(*namespace){list(), broken}, want: "error"},
		{name: "nobody watches one that ended", steps: []func(*namespace){list(in(corev1.PodFailed)), broken}, want: noReason},
		{name: "the first list fails", steps: []func(*namespace){broken}, want: "error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNamespace("jobs")
			for _, step := range tt.steps {
				step(n)
			}
			if got := n.end(t, tt.app); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}

	n := newNamespace("jobs")
	list(in(corev1.PodFailed))(n)
	changed(in(corev1.PodFailed), true)(n)
	g := n.gone["u-1"]
	g.at = g.at.Add(-2 * remembered)
	n.gone["u-1"] = g
	changed(executor, true)(n)
	if len(n.gone) != 0 {
		t.Errorf("remembered for ever: %+v", n.gone)
	}
}

// TestDriverOfCluster looks at a driver through the API.
func TestDriverOfCluster(t *testing.T) {
	server := kubeapitest.New(t)
	p := driver("lc-1", "livy-1")
	p.DeletionTimestamp, p.Status.Phase = &metav1.Time{}, corev1.PodSucceeded
	server.Put(p)
	c := open(t, server)
	if p, found, err := c.Driver(t.Context(), "jobs", Job{Gateway: "lc-1", Record: "livy-1"}); err != nil || !found || !p.Succeeded {
		t.Errorf("%+v, %v, %v", p, found, err)
	}
}
