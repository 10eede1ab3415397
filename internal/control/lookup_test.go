package control

import (
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// A gateway that is called as another one's id must not be taken for that one.
func TestAnIDIsNobodyElses(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	first := create(t, m, "z", false)
	second := create(t, m, first.ID, false)
	for range 20 {
		m.refreshAll(t.Context())
		if e, err := m.Lookup("default", first.ID); err != nil || e.Gateway.ID != first.ID {
			t.Fatalf("looked up %+v, %v", e.Gateway, err)
		}
	}
	if g, err := m.Get(t.Context(), "default", first.ID); err != nil || g.ID != first.ID {
		t.Errorf("got %+v, %v", g, err)
	}
	if g, err := m.Get(t.Context(), "default", second.ID); err != nil || g.ID != second.ID {
		t.Errorf("got %+v, %v", g, err)
	}
}

// TestAnotherAddress: a server at another address is another server, though the settings are the
// same.
func TestAnotherAddress(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	m.Configure(Settings{Settings: resolved.Settings{Catalog: gateway.Catalog{Engines: []gateway.Engine{
		{Name: "spark", URL: "https://livy.example:8443/livy"},
	}}}})
	entries := make(map[string]*Entry)
	g := &gateway.Gateway{ID: "lcgw-1", Workspace: "default", Revision: 1, Spec: gateway.Spec{Name: "etl", Engine: "spark"}}
	g.Status.Address = "https://livy.example:8443/livy"
	m.merge(entries, g)
	if server, err := entries[g.ID].Server(); err != nil || server == nil {
		t.Fatalf("%v, %v", server, err)
	}
	next := *g
	next.Revision, next.Status.Address = 2, "127.0.0.1:8998"
	m.merge(entries, &next)
	if server, err := entries[g.ID].Server(); err != nil || server != nil {
		t.Errorf("requests are sent to %v, %v", server, err)
	}
}
