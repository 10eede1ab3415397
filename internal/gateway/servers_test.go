package gateway

import (
	"reflect"
	"testing"
	"time"
)

func TestServerID(t *testing.T) {
	for _, tt := range []struct {
		number, want int
		id           string
	}{{0, 1, "lc-a"}, {1, 1, "lc-a"}, {2, 2, "lc-a.2"}, {4, 4, "lc-a.4"}} {
		id := ServerID("lc-a", tt.number)
		if gatewayID, n := SplitServerID(id); id != tt.id || gatewayID != "lc-a" || n != tt.want {
			t.Errorf("number %d: %q, which is number %d of %q", tt.number, id, n, gatewayID)
		}
	}
	if id, n := SplitServerID("of.another"); id != "of.another" || n != 1 {
		t.Errorf("a foreign id: %q, %d", id, n)
	}
}

// TestPromote replaces a server whose gateway was given another engine, and then another memory
// while the new server started.
func TestPromote(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	g := &Gateway{ID: "lc-a", Spec: Spec{Name: "etl", Engine: "old"}, Desired: StateRunning}
	g.Status = Status{
		State: StateRunning, Since: now, Address: "a:1", Instance: "i1", Epoch: 1, Launched: map[string]string{"engine": "old"},
		LaunchDefaults: &Defaults{Memory: "4Gi"}, Restarts: 3, UnresponsiveSince: now,
	}
	before := *g
	g.Change(Spec{Name: "etl", Engine: "new"})
	if err := g.Replace(time.Hour, now); err != nil {
		t.Fatal(err)
	}
	next := g.Status.Server(2)
	next.LaunchWith(g.Spec, &Defaults{Memory: "8Gi"}, map[string]string{"engine": "new"})
	next.Address, next.Instance = "a:2", "i2"
	g.Change(Spec{Name: "etl", Engine: "new", Memory: "16Gi"})
	g.Promote(2, IDRange{Session: 1000, Batch: 1005}, now.Add(time.Minute))

	if s := g.InForce(); s.Engine != "new" || s.Memory != "8Gi" {
		t.Errorf("the new server has the settings %+v", s)
	}
	s := g.Status
	if s.Epoch != 2 || s.PrimaryNumber() != 2 || s.Address != "a:2" || s.SessionBase != 1000 || s.BatchBase != 1005 ||
		s.Restarts != 0 || !s.UnresponsiveSince.IsZero() || s.State != StateRunning || s.Issued() != 2 {
		t.Errorf("the primary server is %+v", s)
	}
	if len(s.Servers) != 1 || s.Servers[0].SessionEnd != 1000 || s.Servers[0].BatchEnd != 1005 ||
		!s.Servers[0].DrainUntil.Equal(now.Add(time.Hour+time.Minute)) {
		t.Errorf("the draining server is %+v", s.Servers)
	}
	view := g.Serving(1)
	if in := view.InForce(); in.Engine != "old" || in.Memory != "4Gi" {
		t.Errorf("the draining server has the settings %+v", in)
	}
	if view.ServerID() != "lc-a" || view.Status.Address != "a:1" || !view.Status.Serves(2) || g.Serving(3) != nil {
		t.Errorf("seen from the draining server: %+v", view.Status)
	}
	if back := view.At(0); !reflect.DeepEqual(back.Status.primary(), g.Status.primary()) {
		t.Errorf("seen back: %+v, want %+v", back.Status, g.Status)
	}
	if !reflect.DeepEqual(before.Status.Servers, []Server(nil)) {
		t.Error("an earlier copy was changed")
	}

	g.Status.DropServer(1, now)
	g.StartPrimary(IDRange{Session: 2000, Batch: 2000})
	if g.Status.Number != 0 || g.Status.Epoch != 3 || g.Status.Servers != nil {
		t.Errorf("the next server is %+v", g.Status)
	}
}
