package control

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// warmManager is a manager whose servers are a double of Livy.
func warmManager(t *testing.T, s *store.Store, rt *fakeRuntime) (*Manager, *livytest.Server) {
	t.Helper()
	double := livytest.New()
	rt.livy = double
	return testManager(t, s, rt), double
}

func warmEntries(t *testing.T, s *store.Store, id string) []*store.Warm {
	t.Helper()
	all, err := s.Warm(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// awaitWarm waits until a gateway has a number of idle warm sessions and no others.
func awaitWarm(t *testing.T, s *store.Store, id string, n int) []*store.Warm {
	t.Helper()
	for range 3000 {
		all := warmEntries(t, s, id)
		if len(all) == n && !slices.ContainsFunc(all, func(w *store.Warm) bool { return w.State != store.WarmIdle || w.Shape == "old" }) {
			return all
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no %d warm sessions: %+v", n, warmEntries(t, s, id))
	return nil
}

// TestWarmAfterAKill continues where a process ended after each step of starting and ending a warm
// session.
func TestWarmAfterAKill(t *testing.T) {
	for name, w := range map[string]store.Warm{
		"before the create": {LivyID: -1, State: store.WarmStarting, Created: time.Now().Add(-time.Hour)},
		"after the create":  {LivyID: -1, State: store.WarmStarting, Created: time.Now()},
		"while it ended":    {LivyID: 0, State: store.WarmEnding, Created: time.Now()},
		"after it ended":    {LivyID: 7, State: store.WarmEnding, Created: time.Now()},
		"another server":    {LivyID: 0, State: store.WarmIdle, Created: time.Now(), Epoch: 9},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := storetest.Mini(t)
			rt := newFakeRuntime(t)
			m, double := warmManager(t, s, rt)
			g := create(t, m, "etl", true)
			g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
			g, err := m.update(t.Context(), store.Fence{}, g.ID, func(g *gateway.Gateway) error { g.Status.Warmed = true; return nil })
			if err != nil {
				t.Fatal(err)
			}
			w.ID, w.GatewayID, w.Shape, w.Expires = "livy-left", g.ID, "old", time.Now().Add(time.Hour)
			if w.Epoch == 0 {
				w.Epoch = g.Status.Epoch
			}
			if err := s.SaveWarm(t.Context(), store.Fence{}, &w); err != nil {
				t.Fatal(err)
			}
			if name == "after the create" || name == "while it ended" {
				post := httptest.NewRequest("POST", "/sessions", strings.NewReader(`{"name":"livy-left","kind":"spark"}`))
				double.ServeHTTP(httptest.NewRecorder(), post)
			}
			g = patch(t, m, g, false, `{"warm":[{"kind":"spark","count":1}]}`)
			all := awaitWarm(t, s, g.ID, 1)
			left := len(double.Requests("sessions"))
			if all[0].ID == "livy-left" || left != 1 {
				t.Errorf("%+v, %d sessions in Livy", all[0], left)
			}
			if _, total, _ := s.Records(t.Context(), g.ID, store.RecordFilter{}, 0, 1); total > 0 {
				t.Errorf("%d records of sessions that belong to nobody", total)
			}
			m.Close(false)
		})
	}
}

// TestWarmSessionsDoNotKeepAGatewayBusy also shows that they end with the server, and come back.
func TestWarmSessionsDoNotKeepAGatewayBusy(t *testing.T) {
	s, _ := storetest.Mini(t)
	m, _ := warmManager(t, s, newFakeRuntime(t))
	g := create(t, m, "etl", true)
	await(t, m, g.ID, "running", inState(gateway.StateRunning))
	g = patch(t, m, g, false, `{"warm":[{"kind":"spark","count":1},{"kind":"sql","count":1}]}`)
	before := awaitWarm(t, s, g.ID, 2)
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
	if busy, err := m.busy(t.Context(), g); err != nil || busy {
		t.Errorf("busy: %v, %v", busy, err)
	}
	if _, err := m.Stop(t.Context(), g, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	await(t, m, g.ID, "stopped", inState(gateway.StateStopped))
	if n := len(warmEntries(t, s, g.ID)); n != 0 {
		t.Errorf("%d warm sessions of a stopped gateway", n)
	}
	if _, err := m.Start(t.Context(), g, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	if after := awaitWarm(t, s, g.ID, 2); after[0].ID == before[0].ID || after[0].Epoch == before[0].Epoch {
		t.Errorf("%+v after a restart", after[0])
	}
}

// TestWarmSessionsThatDoNotFit are named in the notes.
func TestWarmSessionsThatDoNotFit(t *testing.T) {
	s, _ := storetest.Mini(t)
	m, double := warmManager(t, s, newFakeRuntime(t))
	g := create(t, m, "etl", true)
	await(t, m, g.ID, "running", inState(gateway.StateRunning))
	g = patch(t, m, g, false, `{"warm":[{"kind":"spark","count":3,"driverMemory":"2g"}]}`)
	for range 3000 {
		if strings.Contains(strings.Join(m.Notes(g), "\n"), "does not fit into the gateway's memory") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if all := awaitWarm(t, s, g.ID, 1); len(double.Requests("sessions")) != 1 || all[0].MemoryMB != 2048 {
		t.Errorf("%+v, %d sessions, notes %q", all[0], len(double.Requests("sessions")), m.Notes(g))
	}
	if notes := strings.Join(m.Notes(g), "\n"); !strings.Contains(notes, "does not fit") {
		t.Errorf("notes %s", notes)
	}
}

// TestWarmSessionsBesideASilentServer: those on a server that drains and does not answer do not
// keep the others from being looked after.
func TestWarmSessionsBesideASilentServer(t *testing.T) {
	w := newDrainWorld(t)
	configure(w.m, func(s *Settings) { s.RestartUnresponsive = time.Hour })
	w.create(0, "keeps it draining")
	w.replace(time.Hour)
	g := w.await("the successor", drains(1))
	draining := g.Status.Servers[0]
	w.rt.mu.Lock()
	w.rt.muted[gateway.ServerID(g.ID, draining.Number)] = true
	w.rt.mu.Unlock()
	for id, epoch := range map[string]int64{"livy-away": draining.Epoch, "livy-here": g.Status.Epoch} {
		entry := store.Warm{
			ID: id, GatewayID: g.ID, Epoch: epoch, LivyID: 5, State: store.WarmIdle, Shape: "old",
			Created: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Hour),
		}
		if id == "livy-away" {
			entry.Created = entry.Created.Add(-time.Minute) // it is ended first
		}
		if err := w.store.SaveWarm(t.Context(), store.Fence{}, &entry); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.m.update(t.Context(), store.Fence{}, g.ID, func(g *gateway.Gateway) error { g.Status.Warmed = true; return nil }); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if all := warmEntries(t, w.store, g.ID); len(all) == 1 && all[0].ID == "livy-away" && all[0].State == store.WarmEnding {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if all := warmEntries(t, w.store, g.ID); len(all) != 1 || all[0].ID != "livy-away" || all[0].State != store.WarmEnding {
		t.Errorf("%d warm sessions are left, the first is %+v", len(all), all[0])
	}
	w.rt.mu.Lock()
	delete(w.rt.muted, gateway.ServerID(g.ID, draining.Number))
	w.rt.mu.Unlock()
	awaitWarm(t, w.store, g.ID, 0)
}
