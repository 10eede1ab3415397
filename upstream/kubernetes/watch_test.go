package kubernetes

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestLateEvents: a pod is created in place of another one with the same name, before the watch has
// reported the last of that one.
func TestLateEvents(t *testing.T) {
	const name = "livygw-lc-1"
	pod := func(uid types.UID, version string, phase corev1.PodPhase) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: uid, ResourceVersion: version}, Status: corev1.PodStatus{Phase: phase},
		}
	}
	p := newPods("")
	want := func(uid types.UID, phase corev1.PodPhase) {
		t.Helper()
		got, gone, _ := p.seen(name)
		if got == nil || got.UID != uid || got.Status.Phase != phase || gone != nil {
			t.Fatalf("seen: %v, gone: %v; want %s, %s", got, gone, uid, phase)
		}
	}
	p.Listed([]corev1.Pod{*pod("first", "9", corev1.PodRunning)}, "10")
	p.end("first")
	p.forget(name, pod("first", "9", corev1.PodRunning))
	p.put(pod("second", "14", corev1.PodPending))

	p.Changed(pod("first", "10", corev1.PodRunning), false)
	want("second", corev1.PodPending)
	ending := pod("first", "11", corev1.PodRunning)
	ending.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	p.Changed(ending, false)
	want("second", corev1.PodPending)
	p.Changed(pod("first", "12", corev1.PodFailed), true)
	want("second", corev1.PodPending)
	p.Listed([]corev1.Pod{*pod("first", "11", corev1.PodRunning)}, "13") // read before
	want("second", corev1.PodPending)
	p.Changed(pod("second", "14", corev1.PodPending), false)
	p.Changed(pod("second", "20", corev1.PodRunning), false)
	want("second", corev1.PodRunning)

	p.Listed([]corev1.Pod{*pod("second", "20", corev1.PodRunning)}, "25")
	want("second", corev1.PodRunning)

	// One that somebody else creates in its place is seen, as the watch is in order.
	p.Changed(pod("third", "30", corev1.PodPending), false)
	want("third", corev1.PodPending)
	p.Listed(nil, "40")
	if now, gone, _ := p.seen(name); now != nil || gone == nil || gone.UID != "third" {
		t.Errorf("seen: %v, gone: %v; want that third is gone", now, gone)
	}
}
