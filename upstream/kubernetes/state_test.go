package kubernetes

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/livygateway/livygateway/internal/gateway"
)

func waiting(name, reason string) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		Name: name, Image: "i:1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "m"}},
	}}}
}

func ended(code int32, reason string) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		Name: container, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason}},
	}}}
}

func inCondition(kind corev1.PodConditionType, status corev1.ConditionStatus, reason string) corev1.PodStatus {
	return corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: kind, Status: status, Reason: reason, Message: "0/1 nodes"}}}
}

func TestJudge(t *testing.T) {
	now := time.Now()
	running := corev1.PodStatus{PodIP: "10.0.0.1", ContainerStatuses: []corev1.ContainerStatus{{Name: container, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}}
	evicted := corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "low on memory"}
	drained := inCondition(corev1.DisruptionTarget, corev1.ConditionTrue, "EvictionByEvictionAPI")
	cordoned := inCondition(corev1.PodScheduled, corev1.ConditionFalse, corev1.PodReasonUnschedulable)
	cordoned.Conditions[0].Message = "0/1 nodes are available: 1 node(s) were unschedulable."
	for name, tt := range map[string]struct {
		status  corev1.PodStatus
		age     time.Duration
		deleted bool
		want    condition
		exit    string
	}{
		"runs":                {status: running, want: condition{running: true, launched: true, steady: true}},
		"runs, being deleted": {status: running, deleted: true, want: condition{launched: true}, exit: "the pod was deleted"},
		"new":                 {want: condition{running: true}},
		"unschedulable":       {status: inCondition(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable"), want: condition{running: true, unplaced: true}},
		"cordoned":            {status: cordoned, want: condition{running: true, unplaced: true}},
		"cordoned too long":   {status: cordoned, age: 6 * time.Minute, exit: "1 node(s) were unschedulable. Unschedulable nodes are cordoned: kubectl uncordon"},
		"for too long":        {status: inCondition(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable"), age: 6 * time.Minute, exit: "no node takes the pod (Unschedulable): 0/1 nodes"},
		"no image":            {status: waiting(container, "ImagePullBackOff"), exit: "image i:1 cannot be used (ImagePullBackOff): m"},
		"no Secret":           {status: waiting(container, "CreateContainerConfigError"), exit: "its container cannot be created"},
		"out of memory":       {status: ended(137, "OOMKilled"), want: condition{launched: true}, exit: "exit code 137 (out of memory)"},
		"Java out of memory":  {status: ended(3, "Error"), want: condition{launched: true}, exit: "exit code 3 (Java may"},
		"evicted":             {status: evicted, exit: "the pod ended (Evicted): low on memory"},
		"drained":             {status: drained, deleted: true, exit: "the pod was evicted from node n1, which is being drained"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(now.Add(-tt.age))}, Spec: corev1.PodSpec{NodeName: "n1"}, Status: tt.status}
			if tt.deleted {
				pod.DeletionTimestamp = &metav1.Time{Time: now}
			}
			got := judge(pod, 5*time.Minute, now)
			if got.running != tt.want.running || got.launched != tt.want.launched || got.steady != tt.want.steady || got.unplaced != tt.want.unplaced ||
				(got.exit == "") != (tt.exit == "") || !strings.Contains(got.exit, tt.exit) {
				t.Errorf("got %+v, want %+v with exit %q", got, tt.want, tt.exit)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"namespace":         {Namespace: "UPPER"},
		"installation":      {Installation: "a b"},
		"reach":             {Reach: "tunnel"},
		"usage":             {Usage: "guess"},
		"image_pull_policy": {PullPolicy: "Sometimes"},
		"cpu_request":       {CPURequest: "much"},
		"memory_request":    {MemoryRequest: "-1Gi"},
		"resource gpu":      {Extended: map[string]string{"gpu": "one"}},
		"tolerate":          {Tolerations: []string{"key:Never"}},
		"allow":             {Allow: []string{"everybody"}},
	} {
		if _, err := New(o, nil); gateway.KindOf(err) != gateway.KindInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want an error of KindInvalid that names %s", o, err, want)
		}
	}
	if _, err := New(Options{}, nil); err != nil {
		t.Error(err)
	}
}
