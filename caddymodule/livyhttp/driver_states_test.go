package livyhttp_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi/kubeapitest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
)

// driverPod is the pod of a batch's driver.
func driverPod(s *caddytest.Site, record string, phase corev1.PodPhase) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "jobs", Name: "driver-" + record, Labels: map[string]string{
			"livygateway/gateway": s.Gateway.ID, "livygateway/record": record, "spark-role": "driver", "spark-app-selector": "spark-" + record,
		}},
		Status: corev1.PodStatus{Phase: phase, ContainerStatuses: []corev1.ContainerStatus{{
			Name: "spark-kubernetes-driver",
			State: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"},
			},
		}}},
	}
}

// onKubernetes starts a site whose gateway runs its jobs in pods.
func onKubernetes(t *testing.T, double *livytest.Server, mode string) (*caddytest.Site, *kubeapitest.Server) {
	t.Helper()
	api := kubeapitest.New(t)
	s := caddytest.New(t, double)
	s.Load(strings.Replace(s.Config, "\t\tlocal_dir /data\n", fmt.Sprintf(`
		local_dir /data
		cluster pods {
			master k8s://%s
			%s
			kubeconfig %s
		}
`, api.URL, mode, api.Kubeconfig), 1))
	s.Respecify(func(spec *gateway.Spec) { spec.Cluster, spec.Queue = "pods", "jobs" })
	s.AwaitState("etl", gateway.StateRunning)
	return s, api
}

// TestDriversDecide: Livy calls a batch a success, and its driver's pod fails a moment later in the
// eyes of the gateway.
func TestDriversDecide(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s, api := onKubernetes(t, double, "")
	for id, end := range []struct{ state, reason string }{{"dead", "driver pod failed: exit code 2 (Error)"}, {"success", ""}} {
		phase := corev1.PodFailed
		if end.state == "success" {
			phase = corev1.PodSucceeded
		}
		if r := s.Do("POST", "/batches", `{"file":"file:/data/job.py"}`); r.StatusCode != http.StatusCreated {
			t.Fatalf("%d %s", r.StatusCode, r.Text)
		}
		record := caddytest.RecordOf(s.Records(store.RecordFilter{}), int64(id))
		api.Put(driverPod(s, record.ID, corev1.PodRunning))
		double.SetState("batches", int64(id), "success")
		paths := []string{fmt.Sprintf("/batches/%d", id), fmt.Sprintf("/batches/%d/state", id), fmt.Sprintf("/batches?from=%d", id)}
		all := func(state string) bool {
			t.Helper()
			same := true
			for _, path := range paths {
				r := s.Do("GET", path, "")
				is := func(state string) bool { return strings.Contains(r.Text, `"state":"`+state+`"`) }
				if r.StatusCode != http.StatusOK || !is("running") && !is(end.state) {
					t.Fatalf("%s: %d %s", path, r.StatusCode, r.Text)
				}
				same = same && is(state)
			}
			return same
		}
		for range 5 { // while it runs
			if !all("running") {
				t.Error("it is not running any more")
			}
			time.Sleep(100 * time.Millisecond)
		}
		api.Put(driverPod(s, record.ID, phase))
		s.Await(func() bool { return all(end.state) })
		record = caddytest.RecordOf(s.Records(store.RecordFilter{}), int64(id))
		if record.State != end.state || record.Reason != end.reason {
			t.Errorf("the record is %s: %s", record.State, record.Reason)
		}
	}
	// The end stays what it was without Kubernetes, without the pod, and without Redis.
	api.Forbid("list")
	s.Redis.SetError("LOADING Redis is loading the dataset in memory")
	defer s.Redis.SetError("")
	if r := s.Do("GET", "/batches/0/state", ""); !strings.Contains(r.Text, `"state":"dead"`) {
		t.Errorf("without Redis: %d %s", r.StatusCode, r.Text)
	}
}

// TestClientModeDecidesItself: where spark-submit has the driver, its exit code is the driver's.
func TestClientModeDecidesItself(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s, _ := onKubernetes(t, double, "deploy_mode client")
	s.Do("POST", "/batches", `{"file":"file:/data/job.py"}`)
	double.SetState("batches", 0, "success")
	for _, path := range []string{"/batches/0", "/batches/0/state", "/batches"} {
		if r := s.Do("GET", path, ""); !strings.Contains(r.Text, `"state":"success"`) {
			t.Errorf("%s: %s", path, r.Text)
		}
	}
}
