package static

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap/zaptest"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

func newRuntime(t *testing.T) *Runtime {
	r, err := New(zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func server(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"version":"0.8.0-incubating"}`)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestConformance(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	upstreamtest.Suite(t, upstreamtest.Harness{
		New:    func(t *testing.T) upstream.Runtime { return newRuntime(t) },
		Engine: gateway.Engine{Name: "there", URL: server(t).URL},
		Broken: map[string]gateway.Engine{
			"no url":         {Name: "e"},
			"a path":         {Name: "e", URL: "http://localhost:8998/livy"},
			"https":          {Name: "e", URL: "https://localhost:8998"},
			"nobody listens": {Name: "e", URL: gone.URL},
		},
		Version: "0.8.0",
		Foreign: true,
	})
}

// TestServerThatWentAway keeps a server that does not answer: it may come back with all
// its sessions.
func TestServerThatWentAway(t *testing.T) {
	r := newRuntime(t)
	s := server(t)
	if _, err := r.Start(t.Context(), upstream.Launch{GatewayID: "lc-1", Engine: gateway.Engine{Name: "e", URL: s.URL}}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	inst, ok, err := r.Find(t.Context(), "lc-1")
	if err != nil || !ok || !inst.Running {
		t.Errorf("Find = %+v, %v, %v; want the server that was taken", inst, ok, err)
	}
}

// TestNoWarehouse: there is nothing to start a metastore for a directory with.
func TestNoWarehouse(t *testing.T) {
	l := upstream.Launch{
		GatewayID: "lc-1", Engine: gateway.Engine{Name: "e", URL: server(t).URL},
		Warehouse: gateway.Directory{Name: "tables", Source: "/srv/tables", Path: "/mnt/tables"},
	}
	if _, err := newRuntime(t).Start(t.Context(), l); err == nil || !strings.Contains(err.Error(), "warehouse: is a directory") {
		t.Errorf("%v", err)
	}
}
