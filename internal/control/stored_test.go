package control

import (
	"slices"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestListIsAsStored changes gateways behind the back of an instance, as another instance
// does: lists and single gateways show that before the snapshot does.
func TestListIsAsStored(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	same := create(t, m, "same", false)
	gone := create(t, m, "gone", false)
	old := create(t, m, "old", false)
	if err := m.refreshAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.snapshots.mu.Lock() // no newer snapshot is published
	defer m.snapshots.mu.Unlock()
	snapshot, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}

	renamed := *old
	renamed.Spec.Name = "renamed"
	added := *old
	added.ID, added.Spec.Name, added.Revision = "lc-added", "old", 0
	for _, g := range []*gateway.Gateway{&renamed, &added} {
		if err := s.SaveGateway(t.Context(), g, store.Write{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteGateway(t.Context(), store.Fence{}, gone); err != nil {
		t.Fatal(err)
	}

	all, err := m.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, g := range all {
		names = append(names, g.Spec.Name)
	}
	if want := []string{"old", "renamed", "same"}; !slices.Equal(names, want) {
		t.Errorf("the list has %v, want %v", names, want)
	}
	if all, err := m.List(t.Context(), "other"); err != nil || len(all) != 0 {
		t.Errorf("another workspace has %v, %v", all, err)
	}
	if !slices.Contains(all, snapshot[slices.IndexFunc(snapshot, func(g *gateway.Gateway) bool { return g.ID == same.ID })]) {
		t.Error("an unchanged gateway was read again")
	}
	for _, tt := range []struct{ asked, id string }{
		{"old", "lc-added"},
		{"renamed", old.ID},
		{old.ID, old.ID},
		{"lc-added", "lc-added"},
		{"same", same.ID},
		{"gone", ""},
		{gone.ID, ""},
		{"none", ""},
	} {
		g, err := m.Get(t.Context(), "default", tt.asked)
		switch {
		case tt.id == "" && gateway.KindOf(err) != gateway.KindNotFound:
			t.Errorf("%s: %+v, %v", tt.asked, g, err)
		case tt.id != "" && (err != nil || g.ID != tt.id):
			t.Errorf("%s: %+v, %v, want %s", tt.asked, g, err, tt.id)
		}
	}
}
