package control

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/internal/kubeapi/kubeapitest"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/upstream"
)

// driverOf returns the driver's pod of a record.
func driverOf(g *gateway.Gateway, record string, phase corev1.PodPhase) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: "driver-of-" + record, Labels: map[string]string{
			"livygateway/gateway": g.ID, "livygateway/record": record, "spark-role": "driver", "spark-app-selector": "spark-of-" + record,
		}},
		Status: corev1.PodStatus{Phase: phase},
	}
}

func TestPodsFollowTheirRecords(t *testing.T) {
	server := kubeapitest.New(t)
	server.Logs = map[string]string{"driver-of-livy-done": "Pi is roughly 3.14\n", "driver-of-livy-ended": "working\n"}
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	m.Close(false) // its own reconciler would look too
	onPods(t, m, server, "")
	g, err := m.Create(t.Context(), CreateRequest{Spec: gateway.Spec{Name: "etl", Cluster: "kube"}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID,
		&store.Record{ID: "livy-lives", Kind: "batch", PublicID: 0, LivyID: 0, Epoch: 1, Created: now},
		&store.Record{ID: "livy-ended", Kind: "batch", PublicID: 1, LivyID: 1, Epoch: 1, Created: now, Ended: now},
		&store.Record{ID: "livy-done", Kind: "batch", PublicID: 2, LivyID: 2, Epoch: 1, Created: now, Ended: now, Log: []string{"submitted"}},
	); err != nil {
		t.Fatal(err)
	}
	for _, record := range []string{"livy-lives", "livy-ended", "livy-never"} {
		server.Put(driverOf(g, record, corev1.PodRunning))
	}
	server.Put(driverOf(g, "livy-done", corev1.PodSucceeded))
	r := &reconciler{m: m, id: g.ID}
	look := func() {
		t.Helper()
		if err := r.lookAtPods(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	look()
	record, err := s.RecordByID(t.Context(), g.ID, "livy-lives")
	if err != nil || record.AppID != "spark-of-livy-lives" {
		t.Errorf("application %+v, %v", record, err)
	}
	left := func(name string) bool { return server.Pod("jobs", "driver-of-"+name) != nil }
	if !left("livy-lives") || left("livy-ended") || left("livy-never") || !left("livy-done") {
		t.Error("the wrong pods are left")
	}
	if pods, err := m.JobPods(t.Context(), g, record); err != nil || len(pods) != 1 || pods[0].Name != "driver-of-livy-lives" {
		t.Errorf("pods of a record: %+v, %v", pods, err)
	}

	// Drivers' logs are in the records of their batches, once, whoever looks.
	r = &reconciler{m: m, id: g.ID}
	look()
	for id, want := range map[string][]string{
		"livy-done":  {"submitted", "The driver's log, from pod driver-of-livy-done in namespace jobs:", "Pi is roughly 3.14"},
		"livy-ended": {"The driver's log, from pod driver-of-livy-ended in namespace jobs:", "working"},
	} {
		if record, err := s.RecordByID(t.Context(), g.ID, id); err != nil || !slices.Equal(record.Log, want) {
			t.Errorf("%s: %+v, %v; want %q", id, record, err, want)
		}
	}

	// Once nothing lives and nothing is left, the pods are not looked at any more.
	record.Ended = now
	if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, record); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, time.Minute, "the pods being settled", func() bool { look(); return r.pods.settled })
	if left("livy-lives") || server.Calls("list pods") != 1 {
		t.Errorf("left: %v, %d lists", left("livy-lives"), server.Calls("list pods"))
	}
}

// podRuntime is a runtime whose servers are pods of a cluster.
type podRuntime struct {
	*fakeRuntime
	kubeconfig string
}

func (r podRuntime) Access() kubeapi.Access { return kubeapi.Access{Kubeconfig: r.kubeconfig} }

func (r podRuntime) Pod(serverID string) (namespace, name string, err error) {
	return "livy", "pod-of-" + serverID, nil
}

var _ upstream.PodHoster = podRuntime{}

// TestDriverPod: the pod of a Livy server owns the executors of sessions in its own namespace.
func TestDriverPod(t *testing.T) {
	const own, other = "k8s://https://kubernetes.default.svc", "/etc/other"
	for _, tt := range []struct {
		name    string
		cluster gateway.Cluster
		spec    gateway.Spec
		kind    livy.Kind
		queue   string
		owned   bool
		jobs    string
	}{
		{name: "no namespace is named", cluster: gateway.Cluster{Master: own}, owned: true, jobs: "livy"},
		{name: "the same namespace", cluster: gateway.Cluster{Master: own}, spec: gateway.Spec{Queue: "livy"}, owned: true, jobs: "livy"},
		{name: "the queue is another", cluster: gateway.Cluster{Master: own}, spec: gateway.Spec{Queue: "jobs"}, jobs: "jobs"},
		{name: "the queue of the token is another", cluster: gateway.Cluster{Master: own}, queue: "team", jobs: "livy"},
		{name: "only the token's is the same", cluster: gateway.Cluster{Master: own}, spec: gateway.Spec{Queue: "jobs"}, queue: "livy", owned: true, jobs: "jobs"},
		{
			name: "the cluster's namespace is another", jobs: "jobs",
			cluster: gateway.Cluster{Master: own, Conf: map[string]string{"spark.kubernetes.namespace": "jobs"}},
		},
		{name: "a batch", cluster: gateway.Cluster{Master: own}, kind: livy.KindBatch, jobs: "livy"},
		{name: "drivers are pods of their own", cluster: gateway.Cluster{Master: own, DeployMode: "cluster"}, jobs: "livy"},
		{name: "another cluster", cluster: gateway.Cluster{Master: own, Kubeconfig: other}, jobs: "default"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := storetest.Mini(t)
			m := testManager(t, s, podRuntime{newFakeRuntime(t), "/etc/kubeconfig"})
			settings := m.Settings()
			tt.cluster.Name = "kube"
			settings.Catalog.Clusters = []gateway.Cluster{tt.cluster}
			m.Configure(settings)
			tt.spec.Name, tt.spec.Cluster = "etl", "kube"
			g, err := m.Create(t.Context(), CreateRequest{Spec: tt.spec})
			if err != nil {
				t.Fatal(err)
			}
			if jobs, err := m.podNamespace(g); err != nil || jobs != tt.jobs {
				t.Errorf("jobs run in %q, %v; want %q", jobs, err, tt.jobs)
			}
			kind := tt.kind
			if kind == "" {
				kind = livy.KindSession
			}
			want := ""
			if tt.owned {
				want = "pod-of-" + g.ID
			}
			conf, err := m.DriverPod(g, kind, tt.queue)
			if err != nil || conf["spark.kubernetes.driver.pod.name"] != want {
				t.Errorf("conf %v, %v; want %q", conf, err, want)
			}
		})
	}
}
