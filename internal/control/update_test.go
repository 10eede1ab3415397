package control

import (
	"context"
	"testing"

	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestAPatchWithoutAChange makes no revision and no audit entry.
func TestAPatchWithoutAChange(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	g := create(t, m, "etl", false)
	g = patch(t, m, g, false, `{"queue":"root.etl","autoStop":{"enabled":true}}`)
	entries := func() int {
		all, _, err := s.ReadAudit(context.Background(), store.AuditFilter{Gateway: g.Ref(), GatewayID: g.ID}, 100)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	before := entries()
	for _, text := range []string{`{}`, `{"queue":"root.etl"}`, `{"identity":null}`, `{"autoStop":{"minutes":null}}`, `{"directories":[]}`, `{"memory":null}`} {
		if now := patch(t, m, g, false, text); now.Revision != g.Revision || !now.UpdatedAt.Equal(g.UpdatedAt) {
			t.Errorf("%s: revision %d became %d", text, g.Revision, now.Revision)
		}
	}
	if n := entries() - before; n != 0 {
		t.Errorf("%d audit entries", n)
	}
	// What is a default today is set by somebody from now on.
	if g = patch(t, m, g, false, `{"cpu":1}`); g.Spec.CPU != 1 || entries() != before+1 {
		t.Errorf("a default that somebody sets: %+v, %d entries", g.Spec, entries()-before)
	}
	before = entries()
	if now := patch(t, m, g, false, `{"queue":null}`); now.Revision != g.Revision+1 || entries() != before+1 {
		t.Errorf("a change: revision %d became %d, %d entries", g.Revision, now.Revision, entries()-before)
	}
}
