package sparkpods

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

// serve returns a cluster whose API is a handler.
func serve(t *testing.T, handler http.HandlerFunc) *Cluster {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"clusters": [{"name": "k", "cluster": {"server": %q, "insecure-skip-tls-verify": true}}], "users": [{"name": "u", "user": {"token": "x"}}],
		"contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "jobs"}}]}`, server.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPods(t *testing.T) {
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path+" "+r.URL.Query().Get("labelSelector")+" "+r.Header.Get("Authorization"))
		_, _ = w.Write([]byte(`{"items": [
			{"metadata": {"name": "d", "namespace": "jobs", "labels": {"livygateway/record": "livy-1", "spark-role": "driver", "spark-app-selector": "spark-a"}},
			 "status": {"phase": "Running", "podIP": "10.0.0.1"}},
			{"metadata": {"name": "e", "namespace": "jobs", "labels": {"livygateway/record": "livy-1", "spark-role": "executor"}, "deletionTimestamp": "2026-01-01T00:00:00Z"},
			 "status": {"phase": "Succeeded"}}]}`))
	})
	pods, err := c.Pods(t.Context(), "", "lc-1")
	want := []Pod{
		{Namespace: "jobs", Name: "d", Record: "livy-1", App: "spark-a", Driver: true, IP: "10.0.0.1", Running: true},
		{Namespace: "jobs", Name: "e", Record: "livy-1", Deleted: true},
	}
	if err != nil || !slices.Equal(pods, want) {
		t.Errorf("%+v, %v; want %+v", pods, err, want)
	}
	if err := c.Remove(t.Context(), &want[0]); err != nil {
		t.Error(err)
	}
	if want := []string{
		"GET /api/v1/namespaces/jobs/pods livygateway/gateway=lc-1,livygateway/record Bearer x",
		"DELETE /api/v1/namespaces/jobs/pods/d  Bearer x",
	}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

func TestFailures(t *testing.T) {
	for status, want := range map[int]gateway.Kind{
		http.StatusForbidden: gateway.KindUnavailable, http.StatusInternalServerError: gateway.KindUnavailable,
		http.StatusNotFound: gateway.KindNotFound,
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if _, err := c.Pods(t.Context(), "x", "lc-1"); gateway.KindOf(err) != want {
			t.Errorf("%d: %v, want %s", status, err, want)
		}
		if err := c.Remove(t.Context(), &Pod{Name: "p"}); (err == nil) != (status == http.StatusNotFound) {
			t.Errorf("removing: %d: %v", status, err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); gateway.KindOf(err) != gateway.KindInvalid {
		t.Errorf("no file: %v", err)
	}
}
