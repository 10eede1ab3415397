package control

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// drainWorld is a running gateway whose clock can be set forward.
type drainWorld struct {
	t     *testing.T
	store *store.Store
	rt    *fakeRuntime
	m     *Manager
	g     *gateway.Gateway
	ahead atomic.Int64
}

func newDrainWorld(t *testing.T) *drainWorld {
	s, _ := storetest.Mini(t)
	w := &drainWorld{t: t, store: s, rt: newFakeRuntime(t)}
	w.rt.listed, w.rt.muted = map[string]string{}, map[string]bool{}
	w.m = w.instance(s)
	w.g = create(t, w.m, "etl", true)
	w.g = await(t, w.m, w.g.ID, "running", inState(gateway.StateRunning))
	return w
}

func (w *drainWorld) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *drainWorld) instance(s *store.Store) *Manager {
	return testManagerWith(w.t, s, w.rt, func(o *Options) { o.Now = w.now })
}

func (w *drainWorld) await(what string, ok func(*gateway.Gateway) bool) *gateway.Gateway {
	w.t.Helper()
	return await(w.t, w.m, w.g.ID, what, ok)
}

// entry returns the gateway's entry in the snapshot, once that is what Redis has.
func (w *drainWorld) entry() *Entry {
	w.t.Helper()
	for range 3000 {
		stored, err := w.m.Store.Gateway(context.Background(), w.g.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		e, err := w.m.Lookup("default", "etl")
		if err == nil && reflect.DeepEqual(e.Gateway.Status, stored.Status) {
			return e
		}
		time.Sleep(time.Millisecond)
	}
	w.t.Fatal("the snapshot does not follow Redis")
	return nil
}

// replace requests a drained restart.
func (w *drainWorld) replace(drain time.Duration) {
	w.t.Helper()
	if _, err := w.m.Replace(context.Background(), w.g, drain, gateway.By("ann")); err != nil {
		w.t.Fatal(err)
	}
}

// create records a session on the gateway's primary server, which lists it.
func (w *drainWorld) create(livyID int64, name string) *store.Record {
	w.t.Helper()
	ctx := context.Background()
	e := w.entry()
	id, err := w.m.Ledger.NewID()
	if err != nil {
		w.t.Fatal(err)
	}
	created, err := w.m.Ledger.Begin(ctx, sessions.Intent{ID: id, Gateway: e.Gateway, Kind: livy.KindSession, Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	w.list(e.Gateway, fmt.Sprintf(`{"id":%d,"name":%q,"state":"idle"}`, livyID, name))
	if err := created.Confirmed(ctx, e.Gateway, livyID, "idle", "", sessions.KeptReply{}); err != nil {
		w.t.Fatal(err)
	}
	return w.record(id)
}

// list sets what the primary server of g lists.
func (w *drainWorld) list(g *gateway.Gateway, sessions string) {
	w.rt.mu.Lock()
	defer w.rt.mu.Unlock()
	w.rt.listed[g.ServerID()] = sessions
}

func (w *drainWorld) record(id string) *store.Record {
	w.t.Helper()
	r, err := w.store.RecordByID(context.Background(), w.g.ID, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func drains(n int) func(*gateway.Gateway) bool {
	return func(g *gateway.Gateway) bool {
		return g.Status.State == gateway.StateRunning && len(g.Status.Servers) == n &&
			(n == 0 || g.Status.Servers[n-1].State == gateway.ServerDraining)
	}
}
