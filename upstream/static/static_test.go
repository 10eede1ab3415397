package static

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap/zaptest"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
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
			"another scheme": {Name: "e", URL: "livy://localhost:8998"},
			"a login":        {Name: "e", URL: "https://u:p@localhost:8998"},
			"nobody listens": {Name: "e", URL: gone.URL},
		},
		Version: "0.8.0",
		Foreign: true,
	})
}

// TestServerByURL connects to a server behind HTTPS and a path, now and after a restart of Caddy.
func TestServerByURL(t *testing.T) {
	password := "good"
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); r.URL.Path != "/livy/version" || given != password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"version":"0.8.0-incubating"}`)
	}))
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	e := gateway.Engine{Name: "knox", URL: s.URL + "/livy/"}
	var err error
	if e.Server, err = e.NewLivyServer(livy.ServerOptions{User: "u", Password: "good", CA: ca}); err != nil {
		t.Fatal(err)
	}
	r := newRuntime(t)
	inst, err := r.Start(t.Context(), upstream.Launch{GatewayID: "lc-1", Engine: e})
	if err != nil || inst.Address != s.URL+"/livy" {
		t.Fatalf("%+v, %v", inst, err)
	}
	again := newRuntime(t)
	again.Adopt("lc-1", inst.ID)
	if found, ok, err := again.Find(t.Context(), "lc-1"); err != nil || !ok || found.Address != inst.Address {
		t.Errorf("adopted %+v, %v, %v", found, ok, err)
	}
	if address, err := r.Address(e, 1); err != nil || address != inst.Address {
		t.Errorf("address %q, %v", address, err)
	}
	catalog := &gateway.Catalog{Engines: []gateway.Engine{e}}
	if all := r.Examine(t.Context(), catalog); len(all) != 1 || all[0].Status != doctor.OK {
		t.Errorf("doctor: %+v", all)
	}
	password = "another"
	if _, err := newRuntime(t).Start(t.Context(), upstream.Launch{GatewayID: "lc-1", Engine: e}); err == nil ||
		!strings.Contains(err.Error(), "refuses the login that engine knox has for it") {
		t.Errorf("a wrong login: %v", err)
	}
	if all := r.Examine(t.Context(), catalog); all[0].Status != doctor.Fail || !strings.Contains(all[0].Mend, "user and password") {
		t.Errorf("doctor with a wrong login: %+v", all)
	}
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
