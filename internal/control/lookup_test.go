package control

import (
	"testing"

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
