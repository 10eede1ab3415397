package control

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi/kubeapitest"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// onPods makes a manager's cluster "kube" one whose jobs run in pods of the namespace "jobs".
func onPods(t *testing.T, m *Manager, server *kubeapitest.Server, deployMode string) {
	t.Helper()
	settings := m.Settings()
	settings.Catalog.Clusters = []gateway.Cluster{{
		Name: "kube", Master: "k8s://" + server.URL, Kubeconfig: server.Kubeconfig, DeployMode: deployMode,
		Conf: map[string]string{"spark.kubernetes.namespace": "jobs"},
	}}
	m.Configure(settings)
	t.Cleanup(m.pods.close)
}

// TestDriverPods: drivers of batches are pods, unless the operator wants them beside Livy.
func TestDriverPods(t *testing.T) {
	for _, tt := range []struct {
		deployMode, cluster, livyConf string
		want                          bool
	}{
		{"", "kube", "", true},
		{"cluster", "kube", "", true},
		{"client", "kube", "", false},
		{"", "", "", false},
		{"", "", "livy.spark.master k8s://https://elsewhere", false},
	} {
		s, _ := storetest.Mini(t)
		m := testManager(t, s, newFakeRuntime(t))
		onPods(t, m, kubeapitest.New(t), tt.deployMode)
		g, err := m.Create(t.Context(), CreateRequest{Spec: gateway.Spec{Name: "etl", Cluster: tt.cluster, LivyConf: tt.livyConf}})
		if err != nil {
			t.Fatal(err)
		}
		if e, err := m.Lookup("default", "etl"); err != nil || m.DriverPods(g) != tt.want || e.DriverPods != tt.want {
			t.Errorf("%+v: %v; %v", tt, m.DriverPods(g), err)
		}
	}
}

func TestDriver(t *testing.T) {
	server := kubeapitest.New(t)
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	onPods(t, m, server, "")
	g, err := m.Create(t.Context(), CreateRequest{Spec: gateway.Spec{Name: "etl", Cluster: "kube"}})
	if err != nil {
		t.Fatal(err)
	}
	for record, phase := range map[string]corev1.PodPhase{
		"livy-1": corev1.PodRunning, "livy-2": corev1.PodSucceeded, "livy-3": corev1.PodFailed, "livy-4": corev1.PodUnknown,
	} {
		server.Put(driverOf(g, record, phase))
	}
	team := driverOf(g, "livy-5", corev1.PodSucceeded)
	team.Namespace = "team"
	server.Put(team)
	for _, tt := range []struct {
		record store.Record
		want   sessions.DriverState
		why    string
	}{
		{store.Record{ID: "livy-1"}, sessions.DriverRuns, ""},
		{store.Record{ID: "livy-2"}, sessions.DriverSucceeded, ""},
		{store.Record{ID: "livy-3"}, sessions.DriverFailed, "Kubernetes gives no reason"},
		{store.Record{ID: "livy-4"}, sessions.DriverGone, ""},
		{store.Record{ID: "livy-2", AppID: "spark-other"}, sessions.DriverGone, ""},
		{store.Record{ID: "livy-5"}, sessions.DriverGone, ""},
		{store.Record{ID: "livy-5", Resources: []byte(`{"queue":"team"}`)}, sessions.DriverSucceeded, ""},
	} {
		if got, why, err := m.Driver(t.Context(), g, &tt.record); err != nil || got != tt.want || why != tt.why {
			t.Errorf("%+v: %d %q, %v", tt.record, got, why, err)
		}
	}
	server.Forbid("list")
	if _, _, err := m.Driver(t.Context(), g, &store.Record{ID: "livy-6", Resources: []byte(`{"queue":"forbidden"}`)}); err == nil {
		t.Error("no error where nothing may be seen")
	}
}

// TestAutoStopWaitsForDrivers: a batch that Livy calls a success keeps its gateway running until it
// is known how the driver ended.
func TestAutoStopWaitsForDrivers(t *testing.T) {
	server := kubeapitest.New(t)
	w, rt, clock, g := idleGatewayOf(t, gateway.Spec{Cluster: "kube"}, func(m *Manager) { onPods(t, m, server, "") })
	record := &store.Record{ID: "livy-1", GatewayID: g.ID, Kind: "batch", Epoch: g.Status.Epoch, TokenID: "lctk-1", State: "running", Created: clock.Now()}
	if err := w.m.Store.SaveRecords(t.Context(), store.Fence{}, g.ID, record); err != nil {
		t.Fatal(err)
	}
	server.Put(driverOf(g, "livy-1", corev1.PodRunning))
	rt.lists("", `{"id":0,"state":"success"}`)
	for range 2 {
		clock.advance(time.Hour)
		w.step(t.Context())
		if now := reread(t, w.m, g); now.Status.State != gateway.StateRunning {
			t.Fatalf("stopped while the driver runs: %+v", now.Status)
		}
	}
	server.Put(driverOf(g, "livy-1", corev1.PodFailed))
	for range 1000 {
		w.step(t.Context())
		var err error
		if record, err = w.m.Store.RecordByID(t.Context(), g.ID, "livy-1"); err != nil {
			t.Fatal(err)
		}
		if !record.Live() {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if record.State != "dead" || record.Reason != "driver pod failed: Kubernetes gives no reason" {
		t.Errorf("the record is %+v", record)
	}
}
