package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// warmServers is a gateway with two servers, each of them a double of Livy, and a warm session.
func warmServers(t *testing.T) (*drainWorld, map[string]*livytest.Server) {
	s, _ := storetest.Mini(t)
	w := &drainWorld{t: t, store: s, rt: newFakeRuntime(t)}
	doubles := map[string]*livytest.Server{}
	w.rt.livyOf = func(id string) http.Handler {
		if doubles[id] == nil {
			doubles[id] = livytest.New()
		}
		return doubles[id]
	}
	w.m = w.instance(s)
	w.g = create(t, w.m, "etl", true)
	w.await("running", inState(gateway.StateRunning))
	w.setServers(2)
	w.g = w.await("two servers", serving(2))
	w.g = patch(t, w.m, w.g, false, `{"warm":[{"kind":"spark","count":1}]}`)
	w.awaitWarmOn(func(*store.Warm, *gateway.Gateway) bool { return true })
	return w, doubles
}

// awaitWarmOn waits for one idle warm session, on the primary server.
func (w *drainWorld) awaitWarmOn(ok func(*store.Warm, *gateway.Gateway) bool) *store.Warm {
	w.t.Helper()
	var all []*store.Warm
	for range 3000 {
		g, err := w.store.Gateway(w.t.Context(), w.g.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		all = warmEntries(w.t, w.store, w.g.ID)
		if len(all) == 1 && all[0].State == store.WarmIdle && all[0].Epoch == g.Status.Epoch && ok(all[0], g) {
			return all[0]
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("no warm session: %+v", all)
	return nil
}

// handOver makes a warm session somebody's. The gateway may have changed since w.g was read.
func (w *drainWorld) handOver(e *store.Warm) error {
	g := w.g
	_, err := w.m.Ledger.HandOver(context.Background(), sessions.Intent{ID: e.ID, Gateway: g, Kind: "session", Name: "mine-" + e.ID, TokenID: "t"},
		sessions.WarmSession{Entry: e})
	return err
}

// TestWarmSessionsAfterAFailover: when the primary server fails, its warm sessions end with it and
// are not handed over, and another server gets one. What was handed over ends as any session.
func TestWarmSessionsAfterAFailover(t *testing.T) {
	w, _ := warmServers(t)
	given := w.awaitWarmOn(func(*store.Warm, *gateway.Gateway) bool { return true })
	if err := w.handOver(given); err != nil {
		t.Fatal(err)
	}
	w.ahead.Store(int64(warmPause))
	lost := w.awaitWarmOn(func(e *store.Warm, _ *gateway.Gateway) bool { return e.ID != given.ID })
	w.crashServer(lost.Epoch)
	now := w.await("another primary server", func(g *gateway.Gateway) bool { return g.Status.Epoch != lost.Epoch })
	w.awaitWarmOn(func(e *store.Warm, g *gateway.Gateway) bool { return e.Epoch != lost.Epoch && g.ServingServers() == 2 })
	for _, w.g = range []*gateway.Gateway{w.g, now} {
		if err := w.handOver(lost); !errors.Is(err, sessions.ErrWarmGone) {
			t.Errorf("a warm session of a server that failed was handed over: %v", err)
		}
	}
	if r := w.record(given.ID); r.Live() || r.Reason != "the Livy server ended: exit code 137" {
		t.Errorf("the session that was handed over: %+v", r)
	}
	if r, err := w.store.RecordByID(t.Context(), w.g.ID, lost.ID); err == nil {
		t.Errorf("a record of a session that belonged to nobody: %+v", r)
	}
}

// TestWarmSessionsWhenScaled: fewer servers leave one warm session, on the server that is left, and
// what was handed over lives on.
func TestWarmSessionsWhenScaled(t *testing.T) {
	w, doubles := warmServers(t)
	given := w.awaitWarmOn(func(*store.Warm, *gateway.Gateway) bool { return true })
	if err := w.handOver(given); err != nil {
		t.Fatal(err)
	}
	w.setServers(1)
	w.await("a server that drains", func(g *gateway.Gateway) bool { return g.ServingServers() == 1 })
	w.ahead.Store(int64(time.Minute)) // it has drained
	w.await("one server", serving(1))
	kept := w.awaitWarmOn(func(e *store.Warm, _ *gateway.Gateway) bool { return e.ID != given.ID })
	if r := w.record(given.ID); !r.Live() || !r.Warm {
		t.Errorf("the session that was handed over: %+v", r)
	}
	ahead := ""
	for id, double := range doubles {
		for _, sent := range double.Requests("sessions") {
			if name := string(sent["name"]); name != fmt.Sprintf("%q", given.ID) {
				ahead += id + name
			}
		}
	}
	if want := fmt.Sprintf("%s%q", w.g.ID, kept.ID); ahead != want {
		t.Errorf("sessions that were started ahead: %s, want %s", ahead, want)
	}
}

// TestWarmSessionsOfTwoInstances: two instances keep one session ready between them, also when the
// one that supervises the gateway ends.
func TestWarmSessionsOfTwoInstances(t *testing.T) {
	s, redis := storetest.Mini(t)
	w := &drainWorld{t: t, store: s, rt: newFakeRuntime(t)}
	double := livytest.New()
	w.rt.livy = double
	w.m = w.instance(s)
	w.g = create(t, w.m, "etl", true)
	w.g = w.await("running", inState(gateway.StateRunning))
	other := w.instance(storetest.Open(t, store.Options{Addrs: []string{redis.Addr()}}))
	w.g = patch(t, other, w.g, false, `{"warm":[{"kind":"spark","count":1}]}`)
	first := w.awaitWarmOn(func(*store.Warm, *gateway.Gateway) bool { return true })
	won := make(chan bool, 16)
	for i := range cap(won) {
		go func() {
			at := []*Manager{w.m, other}[i%2]
			stale := *first
			_, err := at.Ledger.HandOver(context.Background(), sessions.Intent{
				ID: stale.ID, Gateway: w.g, Kind: "session", Name: fmt.Sprint("mine", i), TokenID: "t",
			}, sessions.WarmSession{Entry: &stale})
			won <- err == nil
		}()
	}
	n := 0
	for range cap(won) {
		if <-won {
			n++
		}
	}
	if n != 1 {
		t.Errorf("it was handed over %d times", n)
	}
	w.m.Close(false)
	w.m = other
	w.ahead.Store(int64(time.Minute)) // past the lease and the pause after a hand-over
	w.awaitWarmOn(func(e *store.Warm, _ *gateway.Gateway) bool { return e.ID != first.ID })
	if n := len(double.Requests("sessions")); n != 2 {
		t.Errorf("%d sessions in Livy, want that which was handed over and one more", n)
	}
}
