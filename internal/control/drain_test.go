package control

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
)

func TestReplace(t *testing.T) {
	w := newDrainWorld(t)
	old := w.g
	first := w.create(0, "a")
	w.replace(time.Hour)
	g := w.await("the new server", drains(1))
	if g.Status.Epoch != 2 || g.Status.Address == old.Status.Address || g.ServerID() == old.ServerID() {
		t.Errorf("the primary server is still %+v", g.Status)
	}
	draining := g.Status.Servers[0]
	if draining.Epoch != 1 || draining.Address != old.Status.Address || draining.SessionEnd != g.Status.SessionBase ||
		g.Status.SessionBase <= first.PublicID {
		t.Errorf("the draining server is %+v, ids go on at %d", draining, g.Status.SessionBase)
	}
	second := w.create(0, "b")
	if second.PublicID != g.Status.SessionBase || second.Epoch != 2 {
		t.Errorf("the new session is %+v", second)
	}
	w.ahead.Store(int64(time.Minute))
	time.Sleep(10 * w.m.PollInterval)
	if r := w.record(first.ID); !r.Live() || r.State != "idle" {
		t.Errorf("the session on the draining server: %+v", r)
	}
	e, err := w.m.Lookup("default", "etl")
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int64]int64{first.PublicID: 1, second.PublicID: 2} {
		if held := e.Holding(livy.KindSession, id); held.Gateway.Status.Epoch != want {
			t.Errorf("session %d is on server %d, want %d", id, held.Gateway.Status.Epoch, want)
		}
	}
	for range 5 { // whichever server was polled last
		total := 0
		for _, n := range w.m.Ledger.Live()[g.ID].Counts {
			total += n
		}
		if total != 2 {
			t.Errorf("%d sessions are counted as live, want those of both servers", total)
		}
		time.Sleep(2 * w.m.PollInterval)
	}
	w.list(old, `{"id":0,"name":"a","state":"dead"}`)
	g = w.await("drained", drains(0))
	if running, starts := w.rt.count(); running != 1 || starts != 2 {
		t.Errorf("%d servers run after %d starts", running, starts)
	}
	if r := w.record(first.ID); r.State != "dead" || strings.Contains(r.Reason, "drained") {
		t.Errorf("the first session ended as %+v", r)
	}
	if r := w.record(second.ID); !r.Live() {
		t.Errorf("the second session ended as %+v", r)
	}
	if last := g.History[len(g.History)-1]; !strings.Contains(last.Cause, "took over") {
		t.Errorf("the last transition is %+v", last)
	}
}

func TestDrainEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		do     func(w *drainWorld)
		reason string
		state  gateway.State
	}{
		"its time passes": {
			do:     func(w *drainWorld) { w.ahead.Store(int64(2 * time.Hour)) },
			reason: "the server was drained until ", state: gateway.StateRunning,
		},
		"it crashes": {
			do:     func(w *drainWorld) { w.rt.crash(w.g.ID) },
			reason: "the Livy server ended: exit code 137", state: gateway.StateRunning,
		},
		"it stays silent": {
			do: func(w *drainWorld) {
				w.rt.mu.Lock()
				w.rt.muted[w.g.ID] = true
				w.rt.mu.Unlock()
				time.Sleep(10 * w.m.PollInterval)
				w.ahead.Store(int64(10 * time.Minute))
			},
			reason: "the Livy server has not answered since", state: gateway.StateRunning,
		},
		"the gateway is stopped": {
			do: func(w *drainWorld) {
				if _, err := w.m.Stop(context.Background(), w.g, gateway.By("ann")); err != nil {
					w.t.Fatal(err)
				}
			},
			reason: "the gateway was stopped", state: gateway.StateStopped,
		},
		"the gateway is restarted": {
			do: func(w *drainWorld) {
				if _, err := w.m.Restart(context.Background(), w.g, gateway.By("ann")); err != nil {
					w.t.Fatal(err)
				}
			},
			reason: "the gateway was restarted", state: gateway.StateRunning,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newDrainWorld(t)
			first := w.create(0, "a")
			w.replace(time.Hour)
			w.await("the new server", drains(1))
			tt.do(w)
			g := w.await("the end", func(g *gateway.Gateway) bool {
				return g.Status.State == tt.state && len(g.Status.Servers) == 0 && g.Status.Reason == ""
			})
			if r := w.record(first.ID); r.Live() || !strings.HasPrefix(r.Reason, tt.reason) {
				t.Errorf("the session ended as %s %q, want %q", r.State, r.Reason, tt.reason)
			}
			want := 1
			if tt.state == gateway.StateStopped {
				want = 0
			}
			if running, _ := w.rt.count(); running != want {
				t.Errorf("%d servers run, want %d: %+v", running, want, g.Status)
			}
		})
	}
}

// TestReplaceFails keeps the present server if its successor does not come up.
func TestReplaceFails(t *testing.T) {
	for name, fail := range map[string]func(w *drainWorld){
		"it cannot be started": func(w *drainWorld) {
			w.rt.startErr = gateway.Errorf(gateway.KindInvalid, "no such image")
		},
		"it does not answer": func(w *drainWorld) {
			w.rt.muted[gateway.ServerID(w.g.ID, 2)] = true
			w.m.Configure(func() Settings { s := w.m.Settings(); s.StartTimeout = 50 * time.Millisecond; return s }())
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newDrainWorld(t)
			first := w.create(0, "a")
			w.rt.mu.Lock()
			fail(w)
			w.rt.mu.Unlock()
			w.replace(time.Hour)
			g := w.await("the failure", func(g *gateway.Gateway) bool {
				return g.Status.ReplaceFailure != nil && len(g.Status.Servers) == 0
			})
			if g.Status.State != gateway.StateRunning || g.Status.Epoch != 1 || g.Status.Address != w.g.Status.Address {
				t.Errorf("the primary server is %+v", g.Status)
			}
			if r := w.record(first.ID); !r.Live() {
				t.Errorf("the session ended as %+v", r)
			}
			if notes := strings.Join(w.m.Notes(g), "\n"); !strings.Contains(notes, "was not replaced") {
				t.Errorf("notes %q", notes)
			}
			w.rt.mu.Lock()
			w.rt.startErr, w.rt.muted = nil, nil
			w.rt.mu.Unlock()
			configure(w.m, func(s *Settings) { s.StartTimeout = time.Minute })
			w.replace(time.Hour)
			g = w.await("the new server", drains(1))
			if g.Status.Epoch != 3 || g.Status.ReplaceFailure != nil {
				t.Errorf("after the second attempt: %+v", g.Status)
			}
		})
	}
}

// TestPrimaryFailsWhileDraining starts only the primary server again.
func TestPrimaryFailsWhileDraining(t *testing.T) {
	w := newDrainWorld(t)
	first := w.create(0, "a")
	w.replace(time.Hour)
	g := w.await("the new server", drains(1))
	second := w.create(0, "b")
	w.list(g, "")
	w.rt.crash(g.ServerID())
	g = w.await("another server", func(g *gateway.Gateway) bool {
		return g.Status.State == gateway.StateRunning && g.Status.Epoch == 3
	})
	if len(g.Status.Servers) != 1 || g.Status.Servers[0].Epoch != 1 || g.Status.PrimaryNumber() == 1 {
		t.Errorf("the servers are %+v", g.Status)
	}
	if r := w.record(first.ID); !r.Live() {
		t.Errorf("the session on the draining server ended as %+v", r)
	}
	if r := w.record(second.ID); r.Live() {
		t.Errorf("the session on the failed server lives: %+v", r)
	}
	if g.Status.SessionBase <= second.PublicID {
		t.Errorf("ids go on at %d, %d was issued", g.Status.SessionBase, second.PublicID)
	}
}

// TestCreateInFlight confirms a create on the old server after its successor took over.
func TestCreateInFlight(t *testing.T) {
	w := newDrainWorld(t)
	ctx := context.Background()
	before, err := w.m.Lookup("default", "etl")
	if err != nil {
		t.Fatal(err)
	}
	var started []*sessions.Create
	for i := range 2 {
		c, err := w.m.Ledger.Begin(ctx, sessions.Intent{
			ID: fmt.Sprintf("livy-%d", i), Gateway: before.Gateway, Kind: livy.KindSession, Name: fmt.Sprintf("n%d", i),
		})
		if err != nil {
			t.Fatal(err)
		}
		started = append(started, c)
	}
	w.replace(time.Hour)
	g := w.await("the new server", drains(1))
	w.list(before.Gateway, `{"id":0,"name":"n0","state":"idle"},{"id":1,"name":"n1","state":"idle"}`)
	if err := started[0].Confirmed(ctx, before.Gateway, 0, "idle", "", sessions.KeptReply{}); err != nil {
		t.Fatal(err)
	}
	// The reply to the other one is lost.
	var r *store.Record
	for range 500 {
		if r = w.record("livy-1"); r.Confirmed() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if r.Epoch != 1 || r.PublicID != 1 || !r.Live() {
		t.Errorf("the create whose reply was lost: %+v", r)
	}
	if r := w.record("livy-0"); r.Epoch != 1 || r.PublicID != 0 || !r.Live() || g.Status.SessionBase <= 1 {
		t.Errorf("the create in flight: %+v", r)
	}
}

// TestDrainContinues hands a drained restart from one instance to the next at every step.
func TestDrainContinues(t *testing.T) {
	w := newDrainWorld(t)
	first := w.create(0, "a")
	server := gateway.ServerID(w.g.ID, 2)
	handOver := func() {
		w.m.Close(false)
		w.m = w.instance(w.store)
	}
	w.rt.mu.Lock()
	w.rt.muted[server] = true
	w.rt.mu.Unlock()
	w.replace(time.Hour)
	handOver()
	w.await("the start", func(g *gateway.Gateway) bool {
		return len(g.Status.Servers) == 1 && g.Status.Servers[0].Instance != ""
	})
	// The instance ended before it could record the server.
	w.m.Close(false)
	_, err := w.m.change(context.Background(), "", store.Write{}, w.g.ID, func(g *gateway.Gateway) error {
		g.Status.Servers[0].Instance = ""
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.rt.mu.Lock()
	w.rt.muted[server] = false
	w.rt.mu.Unlock()
	w.m = w.instance(w.store)
	w.await("the new server", drains(1))
	handOver()
	w.ahead.Store(int64(time.Minute))
	time.Sleep(10 * w.m.PollInterval)
	if r := w.record(first.ID); !r.Live() {
		t.Errorf("the session ended as %+v", r)
	}
	// The instance ended before it could remove the server.
	w.m.Close(false)
	_, err = w.m.change(context.Background(), "", store.Write{}, w.g.ID, func(g *gateway.Gateway) error {
		g.Status.EndServers("the server was drained", w.now(), nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.m = w.instance(w.store)
	g := w.await("drained", drains(0))
	if running, starts := w.rt.count(); running != 1 || starts != 2 || g.Status.Epoch != 2 {
		t.Errorf("%d servers run after %d starts: %+v", running, starts, g.Status)
	}
}

// TestOrphansBesideThePrimary ends servers that no gateway knows, and no others.
func TestOrphansBesideThePrimary(t *testing.T) {
	status := gateway.Status{
		Epoch: 6, Retired: 3, LastEpoch: 8, Number: 2,
		Servers: []gateway.Server{{Number: 1, Epoch: 5, State: gateway.ServerDraining}},
	}
	for _, tt := range []struct {
		number int
		epoch  int64
		want   bool
	}{
		{2, 6, false},
		{2, 3, true},
		{1, 5, false},
		{1, 4, false}, // a server that somebody else restarted has a new epoch in Redis only
		{3, 8, true},
		{3, 9, false}, // Redis is older
	} {
		if got := status.Retires(tt.number, tt.epoch); got != tt.want {
			t.Errorf("Retires(%d, %d) = %v", tt.number, tt.epoch, got)
		}
	}
}

func TestReplaceIsRefused(t *testing.T) {
	w := newDrainWorld(t)
	ctx := context.Background()
	if _, err := w.m.Replace(ctx, w.g, 0, gateway.By("ann")); gateway.KindOf(err) != gateway.KindInvalid {
		t.Errorf("no time to drain: %v", err)
	}
	for i := 1; i < w.g.MostServers(); i++ {
		w.create(0, fmt.Sprintf("s%d", i))
		w.replace(time.Hour)
		w.await("the new server", drains(i))
	}
	if _, err := w.m.Replace(ctx, w.g, time.Hour, gateway.By("ann")); gateway.KindOf(err) != gateway.KindConflict {
		t.Errorf("too many servers: %v", err)
	}
}

// TestOtherInstanceLearnsOfServers requests a drained restart at an instance that does not
// supervise the gateway, and sends requests through it.
func TestOtherInstanceLearnsOfServers(t *testing.T) {
	w := newDrainWorld(t)
	first := w.create(0, "a")
	holder := w.m
	other := w.instance(w.store)
	w.m = other
	for range 500 {
		if _, err := other.Lookup("default", "etl"); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.replace(time.Hour)
	w.await("the new server", drains(1))
	var e *Entry
	for range 500 {
		var err error
		if e, err = other.Lookup("default", "etl"); err == nil && len(e.Beside()) == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	held := e.Holding(livy.KindSession, first.PublicID)
	if held.Gateway.Status.Epoch != 1 || held == e {
		t.Fatalf("the other instance sends requests to %+v", held.Gateway.Status)
	}
	if len(holder.leaseholder.heldNumbers()) != 1 {
		t.Fatal("the lease moved")
	}
	holder.Close(false) // in the middle of the drain
	w.ahead.Store(int64(time.Minute))
	w.list(held.Gateway, "")
	w.await("drained", drains(0))
	if r := w.record(first.ID); r.Live() {
		t.Errorf("the session that Livy does not list any more: %+v", r)
	}
}

// TestIdleOnAllServers counts what runs on a draining server as use.
func TestIdleOnAllServers(t *testing.T) {
	w := newDrainWorld(t)
	w.list(w.g, `{"id":0,"name":"a","state":"busy"}`)
	w.replace(time.Hour)
	g := w.await("the new server", drains(1))
	for _, tt := range []struct {
		listed string
		want   bool
	}{
		{`{"id":0,"name":"a","state":"busy"}`, true},
		{`{"id":0,"name":"a","state":"dead"}`, false},
	} {
		w.list(w.g, tt.listed)
		if work, err := w.m.busyServers(context.Background(), g); err != nil || work != tt.want {
			t.Errorf("with %s on the draining server: %v, %v", tt.listed, work, err)
		}
	}
}

// TestHoldingCostsNothing bounds what a request pays for servers that a gateway does not have.
func TestHoldingCostsNothing(t *testing.T) {
	e := &Entry{}
	if n := testing.AllocsPerRun(1000, func() {
		if e.Holding(livy.KindSession, 3) != e {
			t.Fatal("another entry")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
