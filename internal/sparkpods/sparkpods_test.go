package sparkpods

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/internal/kubeapi/kubeapitest"
)

func open(t *testing.T, server *kubeapitest.Server) *Cluster {
	t.Helper()
	c, err := Open(kubeapi.Access{Kubeconfig: server.Kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func driver(gatewayID, record string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: "driver-" + record, Labels: map[string]string{
			"livygateway/gateway": gatewayID, "livygateway/record": record, "spark-role": "driver", "spark-app-selector": "spark-" + record,
		}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1"},
	}
}

// until waits for the pods of a gateway to be those with the given names.
func until(t *testing.T, c *Cluster, gatewayID string, names ...string) []Pod {
	t.Helper()
	for {
		pods, err := c.Pods(t.Context(), "jobs", gatewayID)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range pods {
			got = append(got, p.Name)
		}
		slices.Sort(got)
		if slices.Equal(got, names) {
			return pods
		}
		time.Sleep(time.Millisecond)
	}
}

func TestPods(t *testing.T) {
	server := kubeapitest.New(t)
	server.Put(driver("lc-1", "livy-1"))
	executor := driver("lc-1", "livy-2")
	executor.Labels["spark-role"], executor.Status.Phase = "executor", corev1.PodSucceeded
	server.Put(executor)
	server.Put(driver("lc-2", "livy-3"))
	server.Logs = map[string]string{"driver-livy-1": "a\nb\n"}
	c := open(t, server)
	pods := until(t, c, "lc-1", "driver-livy-1", "driver-livy-2")
	slices.SortFunc(pods, func(a, b Pod) int { return strings.Compare(a.Name, b.Name) })
	want := []Pod{
		{
			Namespace: "jobs", Name: "driver-livy-1", UID: pods[0].UID, Gateway: "lc-1", Record: "livy-1", App: "spark-livy-1", Driver: true,
			IP: "10.0.0.1", Running: true,
		},
		{Namespace: "jobs", Name: "driver-livy-2", UID: pods[1].UID, Gateway: "lc-1", Record: "livy-2", App: "spark-livy-2", IP: "10.0.0.1", Succeeded: true},
	}
	if !slices.Equal(pods, want) {
		t.Errorf("%+v; want %+v", pods, want)
	}
	if log, err := c.Log(t.Context(), &pods[0], 10); err != nil || !slices.Equal(log, []string{"a", "b"}) {
		t.Errorf("log %q, %v", log, err)
	}

	// The watch tells what changes.
	server.Put(driver("lc-1", "livy-4"))
	until(t, c, "lc-1", "driver-livy-1", "driver-livy-2", "driver-livy-4")
	if err := c.Remove(t.Context(), &pods[0]); err != nil {
		t.Error(err)
	}
	until(t, c, "lc-1", "driver-livy-2", "driver-livy-4")
	if err := c.Remove(t.Context(), &pods[0]); err != nil {
		t.Errorf("removing it again: %v", err)
	}

	// Another pod of the same name is left alone.
	server.Put(driver("lc-1", "livy-1"))
	if err := c.Remove(t.Context(), &pods[0]); err != nil || server.Pod("jobs", "driver-livy-1") == nil {
		t.Errorf("removed another pod; %v", err)
	}
}

// TestOneWatchForAll: all gateways share one list and one watch of a namespace.
func TestOneWatchForAll(t *testing.T) {
	server := kubeapitest.New(t)
	c := open(t, server)
	for n := range 50 {
		id := fmt.Sprintf("lc-%d", n)
		server.Put(driver(id, "livy-"+id))
	}
	for range 20 {
		for n := range 50 {
			id := fmt.Sprintf("lc-%d", n)
			until(t, c, id, "driver-livy-"+id)
		}
	}
	if lists, watches := server.Calls("list pods"), server.Calls("watch pods"); lists != 1 || watches > 1 {
		t.Errorf("%d lists, %d watches", lists, watches)
	}
}

func TestUnusedWatchesEnd(t *testing.T) {
	server := kubeapitest.New(t)
	c := open(t, server)
	until(t, c, "lc-1")
	c.watched["jobs"].asked = time.Now().Add(-2 * unused)
	if _, err := c.Pods(t.Context(), "others", "lc-1"); err != nil || len(c.watched) != 1 {
		t.Errorf("%d watches, %v", len(c.watched), err)
	}
}

func TestFailures(t *testing.T) {
	if _, err := Open(kubeapi.Access{Kubeconfig: filepath.Join(t.TempDir(), "none")}); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("no file: %v", err)
	}
	server := kubeapitest.New(t)
	server.Forbid("watch")
	c := open(t, server)
	for range 3 { // listed, but nobody may watch: that is believed for a while
		if _, err := c.Pods(t.Context(), "jobs", "lc-1"); err != nil {
			t.Errorf("%v", err)
		}
	}
	n := newNamespace("jobs")
	n.Listed(nil, "")
	n.Watching(fmt.Errorf("gone"))
	n.watch.Broken = time.Now().Add(-2 * kubeapi.Stale)
	if _, err := n.pods(t.Context(), "lc-1"); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("a watch that broke long ago: %v", err)
	}
	server.Forbid("list")
	if _, err := c.Pods(t.Context(), "other", "lc-1"); gateway.KindOf(err) != gateway.KindUnavailable || !strings.Contains(err.Error(), "not allowed") {
		t.Errorf("no rights: %v", err)
	}
}
