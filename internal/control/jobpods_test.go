package control

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// podServer is an API server with the pods of three records.
type podServer struct {
	mu    sync.Mutex
	gone  map[string]bool
	lists int
}

func (s *podServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const pods = "/api/v1/namespaces/jobs/pods"
	if name, ok := strings.CutPrefix(r.URL.Path, pods+"/"); ok && r.Method == http.MethodDelete {
		s.gone[name] = true
		return
	}
	if r.URL.Path != pods {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	s.lists++
	var items []string
	for _, record := range []string{"livy-lives", "livy-ended", "livy-never"} {
		if !s.gone["driver-of-"+record] {
			items = append(items, fmt.Sprintf(`{"metadata": {"name": "driver-of-%s", "namespace": "jobs", "labels": {"livygateway/record": %q,
				"spark-role": "driver", "spark-app-selector": "spark-of-%s"}}, "status": {"phase": "Running"}}`, record, record, record))
		}
	}
	fmt.Fprintf(w, `{"items": [%s]}`, strings.Join(items, ","))
}

func TestPodsFollowTheirRecords(t *testing.T) {
	api := &podServer{gone: map[string]bool{}}
	server := httptest.NewTLSServer(api)
	t.Cleanup(server.Close)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"clusters": [{"name": "k", "cluster": {"server": %q, "insecure-skip-tls-verify": true}}],
		"contexts": [{"name": "c", "context": {"cluster": "k"}}]}`, server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	m.Close(false) // its own reconciler would look too
	settings := m.Settings()
	settings.Catalog.Clusters = []gateway.Cluster{{
		Name: "kube", Master: "k8s://" + server.URL, Kubeconfig: kubeconfig, Conf: map[string]string{"spark.kubernetes.namespace": "jobs"},
	}}
	m.Configure(settings)
	g, err := m.Create(t.Context(), CreateRequest{Spec: gateway.Spec{Name: "etl", Cluster: "kube"}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID,
		&store.Record{ID: "livy-lives", Kind: "batch", PublicID: 0, LivyID: 0, Epoch: 1, Created: now},
		&store.Record{ID: "livy-ended", Kind: "batch", PublicID: 1, LivyID: 1, Epoch: 1, Created: now, Ended: now},
	); err != nil {
		t.Fatal(err)
	}
	r := &reconciler{m: m, id: g.ID}
	if err := r.lookAtPods(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	record, err := s.RecordByID(t.Context(), g.ID, "livy-lives")
	if err != nil || record.AppID != "spark-of-livy-lives" {
		t.Errorf("application %+v, %v", record, err)
	}
	api.mu.Lock()
	if len(api.gone) != 2 || api.gone["driver-of-livy-lives"] {
		t.Errorf("deleted %v", api.gone)
	}
	api.mu.Unlock()
	if pods, err := m.JobPods(t.Context(), g, record); err != nil || len(pods) != 1 || pods[0].Name != "driver-of-livy-lives" {
		t.Errorf("pods of a record: %+v, %v", pods, err)
	}

	// Once nothing lives and nothing is left, Kubernetes is not asked any more.
	record.Ended = now
	if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, record); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := r.lookAtPods(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	if !r.pods.settled || api.lists != 4 || len(api.gone) != 3 {
		t.Errorf("settled %v after %d lists, deleted %v", r.pods.settled, api.lists, api.gone)
	}
}
