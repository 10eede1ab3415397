package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
)

// serving reports whether n servers serve, and there is no other one.
func serving(n int) func(*gateway.Gateway) bool {
	return func(g *gateway.Gateway) bool {
		return g.Status.State == gateway.StateRunning && g.ServingServers() == n && len(g.Status.Servers) == n-1
	}
}

func newServingWorld(t *testing.T, n int) *drainWorld {
	w := newDrainWorld(t)
	w.setServers(n)
	w.g = w.await("the servers", serving(n))
	return w
}

func (w *drainWorld) setServers(n int) {
	w.t.Helper()
	patch := json.RawMessage(fmt.Sprintf(`{"servers":%d}`, n))
	_, err := w.m.Update(context.Background(), w.g, UpdateRequest{Patch: patch, Order: gateway.By("ann")})
	if err != nil {
		w.t.Fatal(err)
	}
}

// spread creates a session on the server that the manager selects, which lists it.
func (w *drainWorld) spread(name string) *store.Record {
	w.t.Helper()
	ctx := context.Background()
	e := w.entry()
	to, done, err := w.m.Spread(ctx, e)
	if err != nil {
		w.t.Fatal(err)
	}
	defer done()
	id, err := w.m.Ledger.NewID()
	if err != nil {
		w.t.Fatal(err)
	}
	created, err := w.m.Ledger.Begin(ctx, sessions.Intent{ID: id, Gateway: to.Gateway, Kind: livy.KindSession, Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	w.rt.mu.Lock()
	was := w.rt.listed[to.Gateway.ServerID()]
	livyID := int64(strings.Count(was, `"id"`))
	w.rt.listed[to.Gateway.ServerID()] = strings.TrimPrefix(was+fmt.Sprintf(`,{"id":%d,"name":%q,"state":"idle"}`, livyID, name), ",")
	w.rt.mu.Unlock()
	if err := created.Confirmed(ctx, to.Gateway, livyID, "idle", "", sessions.KeptReply{}); err != nil {
		w.t.Fatal(err)
	}
	return w.record(id)
}

// crashServer ends the server with an epoch. What it lists is gone with it.
func (w *drainWorld) crashServer(epoch int64) {
	id := w.g.Serving(epoch).ServerID()
	w.rt.mu.Lock()
	delete(w.rt.listed, id)
	w.rt.mu.Unlock()
	w.rt.crash(id)
}

// byEpoch sorts records by the server that they are on.
func byEpoch(records []*store.Record) map[int64][]*store.Record {
	all := map[int64][]*store.Record{}
	for _, r := range records {
		all[r.Epoch] = append(all[r.Epoch], r)
	}
	return all
}

func (w *drainWorld) spreadMany(n int) (all []*store.Record) {
	for i := range n {
		all = append(all, w.spread(fmt.Sprintf("s%d", i)))
	}
	return all
}

// checkUnique checks that public ids are unique and lead to the server of the record.
func (w *drainWorld) checkUnique(records []*store.Record) {
	w.t.Helper()
	e := w.entry()
	seen := map[int64]bool{}
	for _, r := range records {
		if seen[r.PublicID] {
			w.t.Errorf("id %d was given twice", r.PublicID)
		}
		seen[r.PublicID] = true
		if held := e.Holding(livy.KindSession, r.PublicID); held.Gateway.Status.Epoch != r.Epoch {
			w.t.Errorf("id %d is on server %d, want %d", r.PublicID, held.Gateway.Status.Epoch, r.Epoch)
		}
	}
}

// TestScale changes the number of servers of a running gateway from 1 to 3 to 2.
func TestScale(t *testing.T) {
	w := newDrainWorld(t)
	first := w.spread("first")
	w.setServers(3)
	w.g = w.await("three servers", serving(3))
	if w.g.Status.Epoch != 1 {
		t.Errorf("the first server was restarted: %+v", w.g.Status)
	}
	all := append(w.spreadMany(8), first)
	w.checkUnique(all)
	for epoch, records := range byEpoch(all) {
		if len(records) != 3 {
			t.Errorf("server %d has %d of 9 sessions", epoch, len(records))
		}
	}
	w.setServers(2)
	g := w.await("a server that drains", func(g *gateway.Gateway) bool { return g.ServingServers() == 2 })
	var drained *gateway.Server
	for i := range g.Status.Servers {
		if v := &g.Status.Servers[i]; v.State == gateway.ServerDraining {
			drained = v
		}
	}
	if drained == nil {
		t.Fatalf("no server drains: %+v", g.Status.Servers)
	}
	w.ahead.Store(int64(time.Minute))
	later := w.spread("later")
	if later.Epoch == drained.Epoch {
		t.Error("a session was created on the draining server")
	}
	w.list(g.Serving(drained.Epoch), "")
	w.await("two servers", serving(2))
	for _, r := range append(all, later) {
		if now := w.record(r.ID); now.Live() == (r.Epoch == drained.Epoch) {
			t.Errorf("session %d on server %d is %s", r.PublicID, r.Epoch, now.State)
		}
	}
	if running, starts := w.rt.count(); running != 2 || starts != 3 {
		t.Errorf("%d servers run after %d starts", running, starts)
	}
}

// TestServerFails ends one of three servers: only its sessions end, and it starts again alone.
func TestServerFails(t *testing.T) {
	for _, epoch := range []int64{1, 2, 3} { // the first one is the primary one
		t.Run(fmt.Sprintf("server %d", epoch), func(t *testing.T) {
			w := newServingWorld(t, 3)
			all := w.spreadMany(6)
			w.crashServer(epoch)
			g := w.await("the failure", func(g *gateway.Gateway) bool { return !g.Status.Serves(epoch) || g.ServingServers() == 2 })
			if g.Status.State != gateway.StateRunning {
				t.Errorf("the gateway is %s: %s", g.Status.State, g.Status.Reason)
			}
			w.g = w.await("its restart", serving(3))
			for _, r := range all {
				now := w.record(r.ID)
				if now.Live() == (r.Epoch == epoch) {
					t.Errorf("session %d on server %d is %s", r.PublicID, r.Epoch, now.State)
				}
				if r.Epoch == epoch && now.Reason != "the Livy server ended: exit code 137" {
					t.Errorf("its reason is %q", now.Reason)
				}
			}
			var lasting []*store.Record
			for _, r := range all {
				if r.Epoch != epoch {
					lasting = append(lasting, r)
				}
			}
			w.checkUnique(append(lasting, w.spreadMany(4)...))
			if running, starts := w.rt.count(); running != 3 || starts != 4 {
				t.Errorf("%d servers run after %d starts", running, starts)
			}
			told := false
			for _, tr := range w.g.History {
				told = told || strings.Contains(tr.Cause, "failed: the Livy server ended: exit code 137; 2 of 3 serving")
			}
			if !told {
				t.Errorf("the history is %+v", w.g.History)
			}
		})
	}
}

// TestAllServersFail ends all servers at once.
func TestAllServersFail(t *testing.T) {
	w := newServingWorld(t, 2)
	all := w.spreadMany(4)
	for epoch := range int64(2) {
		w.crashServer(epoch + 1)
	}
	w.await("the end", func(g *gateway.Gateway) bool { return !g.Status.Serves(1) && !g.Status.Serves(2) })
	w.g = w.await("new servers", serving(2))
	for _, r := range all {
		if now := w.record(r.ID); now.Live() {
			t.Errorf("session %d lives", r.PublicID)
		}
	}
	w.checkUnique(w.spreadMany(4))
}

// TestFailureBacksOff lets one server fail again and again: it waits longer each time.
func TestFailureBacksOff(t *testing.T) {
	w := newServingWorld(t, 2)
	for want := 1; want <= 3; want++ {
		w.crashServer(w.g.Status.Servers[0].Epoch)
		g := w.await("the failure", func(g *gateway.Gateway) bool {
			return len(g.Status.Servers) == 1 && g.Status.Servers[0].Restarts == want
		})
		v := g.Status.Servers[0]
		if v.LastFailure == nil || v.NextStart.Sub(v.LastFailure.Time) != min(w.m.MaxBackoff, time.Second<<(want-1)) {
			t.Errorf("failure %d: %+v, next start %s", want, v.LastFailure, v.NextStart)
		}
		w.g = w.await("its restart", serving(2))
	}
	if w.g.Status.Epoch != 1 || w.g.Status.Restarts != 0 {
		t.Errorf("the other server: %+v", w.g.Status)
	}
	w.ahead.Store(int64(11 * time.Minute))
	w.await("health", func(g *gateway.Gateway) bool { return g.Status.Servers[0].LastFailure == nil })
}

// TestOneServerIsSilent lets a server be silent: creates go to the others, and it is restarted
// alone.
func TestOneServerIsSilent(t *testing.T) {
	for _, epoch := range []int64{1, 2} {
		t.Run(fmt.Sprintf("server %d", epoch), func(t *testing.T) {
			w := newServingWorld(t, 2)
			all := w.spreadMany(4)
			mute := func(on bool) {
				w.rt.mu.Lock()
				defer w.rt.mu.Unlock()
				w.rt.muted[w.g.Serving(epoch).ServerID()] = on
			}
			mute(true)
			time.Sleep(10 * w.m.PollInterval)
			w.ahead.Store(int64(time.Minute))
			w.await("its silence", func(g *gateway.Gateway) bool {
				v := g.Serving(epoch)
				return v != nil && !v.Status.UnresponsiveSince.IsZero()
			})
			for i := range 3 {
				if r := w.spread(fmt.Sprintf("meanwhile%d", i)); r.Epoch == epoch {
					t.Error("a session was created on the silent server")
				}
			}
			mute(false)
			w.await("its answer", func(g *gateway.Gateway) bool { return g.Serving(epoch).Status.UnresponsiveSince.IsZero() })
			for _, r := range all {
				if !w.record(r.ID).Live() {
					t.Errorf("session %d ended", r.PublicID)
				}
			}
			mute(true)
			time.Sleep(10 * w.m.PollInterval)
			w.ahead.Add(int64(10 * time.Minute))
			w.await("the failure", func(g *gateway.Gateway) bool { return g.Serving(epoch) == nil })
			mute2 := func() { w.rt.mu.Lock(); w.rt.muted = map[string]bool{}; w.rt.mu.Unlock() }
			mute2()
			w.g = w.await("its restart", serving(2))
			for _, r := range all {
				if w.record(r.ID).Live() == (r.Epoch == epoch) {
					t.Errorf("session %d on server %d: %s", r.PublicID, r.Epoch, w.record(r.ID).State)
				}
			}
		})
	}
}

// TestRollingRestart replaces the servers one after the other.
func TestRollingRestart(t *testing.T) {
	w := newServingWorld(t, 2)
	all := w.spreadMany(2)
	w.replace(time.Hour)
	w.await("the first new server", func(g *gateway.Gateway) bool { return g.Status.Epoch == 3 && len(g.Status.Servers) == 2 })
	w.ahead.Store(int64(time.Minute))
	time.Sleep(20 * w.m.PollInterval)
	g := w.await("the drain", func(*gateway.Gateway) bool { return true })
	if g.Status.Issued() != 3 || g.ServingServers() != 2 {
		t.Errorf("the second server is replaced before the first one has drained: %+v", g.Status)
	}
	w.list(g.Serving(1), "")
	g = w.await("the second new server", func(g *gateway.Gateway) bool {
		return g.Status.Issued() == 4 && g.ServingServers() == 2 && g.Serving(4) != nil
	})
	w.ahead.Add(int64(time.Minute))
	w.list(g.Serving(2), "")
	g = w.await("the end", func(g *gateway.Gateway) bool { return serving(2)(g) && g.Status.Rolling == nil })
	if !g.Status.Serves(3) || !g.Status.Serves(4) {
		t.Errorf("the servers are %+v", g.Status)
	}
	w.checkUnique(w.spreadMany(2))
	for _, r := range all {
		if now := w.record(r.ID); now.Live() || strings.Contains(now.Reason, "drained") {
			t.Errorf("session %d is %s: %s", r.PublicID, now.State, now.Reason)
		}
	}
}

// TestServersEnd stops, restarts and deletes gateways with several servers.
func TestServersEnd(t *testing.T) {
	ctx := context.Background()
	w := newServingWorld(t, 3)
	all := w.spreadMany(3)
	if _, err := w.m.Restart(ctx, w.g, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	w.await("the end of the old ones", func(g *gateway.Gateway) bool {
		return !g.Status.Serves(1) && !g.Status.Serves(2) && !g.Status.Serves(3)
	})
	w.rt.mu.Lock()
	clear(w.rt.listed)
	w.rt.mu.Unlock()
	w.g = w.await("the restart", serving(3))
	for _, r := range all {
		if w.record(r.ID).Live() {
			t.Errorf("session %d lives", r.PublicID)
		}
	}
	w.checkUnique(w.spreadMany(3))
	if _, err := w.m.Stop(ctx, w.g, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	w.await("the stop", func(g *gateway.Gateway) bool {
		return g.Status.State == gateway.StateStopped && len(g.Status.Servers) == 0
	})
	if running, _ := w.rt.count(); running != 0 {
		t.Errorf("%d servers run", running)
	}
	if _, err := w.m.Start(ctx, w.g, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	w.g = w.await("the start", serving(3))
	if left, err := w.m.Delete(ctx, w.g, true, gateway.By("ann")); err != nil || left != nil {
		t.Fatal(left, err)
	}
	if running, _ := w.rt.count(); running != 0 {
		t.Errorf("%d servers run", running)
	}
}

// TestServersAreAdopted hands a gateway to another instance.
func TestServersAreAdopted(t *testing.T) {
	w := newServingWorld(t, 3)
	all := w.spreadMany(6)
	w.m.Close(false)
	w.m = w.instance(w.store)
	w.await("the servers", serving(3))
	w.crashServer(2)
	w.await("the failure", func(g *gateway.Gateway) bool { return !g.Status.Serves(2) })
	w.g = w.await("the restart", serving(3))
	for _, r := range all {
		if w.record(r.ID).Live() == (r.Epoch == 2) {
			t.Errorf("session %d on server %d is %s", r.PublicID, r.Epoch, w.record(r.ID).State)
		}
	}
	if _, starts := w.rt.count(); starts != 4 {
		t.Errorf("%d starts", starts)
	}
}

// TestInstancesAgree spreads creates through two instances.
func TestInstancesAgree(t *testing.T) {
	w := newServingWorld(t, 3)
	first, second := w.m, w.instance(w.store)
	w.m = second
	w.await("the other instance", serving(3))
	for range 500 {
		if e, err := second.Lookup("default", "etl"); err == nil && len(e.Beside()) == 2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	var all []*store.Record
	for i := range 12 {
		w.m = []*Manager{first, second}[i%2]
		all = append(all, w.spread(fmt.Sprintf("s%d", i)))
	}
	w.checkUnique(all)
	for epoch, records := range byEpoch(all) {
		if len(records) != 4 {
			t.Errorf("server %d has %d of 12 sessions", epoch, len(records))
		}
	}
}

// TestWornServer replaces a server that has nearly used up its ids.
func TestWornServer(t *testing.T) {
	w := newServingWorld(t, 2)
	worn := w.g.Status.Servers[0]
	w.list(w.g.Serving(worn.Epoch), fmt.Sprintf(`{"id":%d,"name":"x","state":"idle"}`, worn.SessionEnd-worn.SessionBase-100))
	g := w.await("another server", func(g *gateway.Gateway) bool {
		v := g.Status.Server(worn.Epoch)
		return v != nil && v.State == gateway.ServerDraining && g.ServingServers() == 2
	})
	if g.Status.Epoch != 1 {
		t.Errorf("the primary server was replaced: %+v", g.Status)
	}
}
