package sessions_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
)

// warm adds an idle warm session.
func (f *fixture) warm(id string, livyID int64) *store.Warm {
	f.t.Helper()
	f.g.Status.Warmed = true
	w := &store.Warm{
		ID: id, GatewayID: f.g.ID, Epoch: f.g.Status.Epoch, LivyID: livyID, State: store.WarmIdle, Shape: "a",
		Created: f.now, Ready: f.now, MilliCPU: 1000, MemoryMB: 1024,
	}
	if err := f.store.SaveWarm(f.t.Context(), store.Fence{}, w); err != nil {
		f.t.Fatal(err)
	}
	return w
}

func (f *fixture) handOver(w *store.Warm, change ...func(*sessions.Intent)) error {
	in := f.intent(livy.KindSession, change...)
	in.ID = w.ID
	_, err := f.HandOver(f.t.Context(), in, sessions.WarmSession{Entry: w, Reply: sessions.KeptReply{Status: 201, Body: []byte(`{}`)}})
	return err
}

// TestHandOverOnce lets ledgers of two processes compete for one warm session.
func TestHandOverOnce(t *testing.T) {
	f := newFixture(t)
	f.warm("livy-w", 3)
	var wg sync.WaitGroup
	var won, lost atomic.Int64
	for range 16 {
		wg.Go(func() {
			all, err := f.store.Warm(t.Context(), f.g.ID)
			if err != nil || len(all) == 0 {
				lost.Add(1)
				return
			}
			switch err := f.handOver(all[0]); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, sessions.ErrWarmGone):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 15 {
		t.Errorf("%d got it, %d did not", won.Load(), lost.Load())
	}
}

// TestHandOverAndEnd: what is being ended is not handed over, and what was handed over is not
// ended.
func TestHandOverAndEnd(t *testing.T) {
	f := newFixture(t)
	read := f.warm("livy-w", 3)
	all, _ := f.store.Warm(t.Context(), f.g.ID)
	all[0].State = store.WarmEnding
	if err := f.store.SaveWarm(t.Context(), store.Fence{}, all[0]); err != nil {
		t.Fatal(err)
	}
	if err := f.handOver(read); !errors.Is(err, sessions.ErrWarmGone) {
		t.Errorf("handed over while it is being ended: %v", err)
	}
	other := f.warm("livy-v", 4)
	stale := *other
	if err := f.handOver(other); err != nil {
		t.Fatal(err)
	}
	stale.State = store.WarmEnding
	if err := f.store.SaveWarm(t.Context(), store.Fence{}, &stale); !errors.Is(err, store.ErrChanged) {
		t.Errorf("ended after it was handed over: %v", err)
	}
	if r := f.record(livy.KindSession, 4); !r.Live() || !r.Warm || r.TokenID != "lctk-1" {
		t.Errorf("record %+v", r)
	}
}

// TestWarmSessionsInPolls: a poll records no warm session, whether it was started by a process that
// ended before it knew the id, or is handed over while Livy is asked.
func TestWarmSessionsInPolls(t *testing.T) {
	f := newFixture(t)
	f.warm("livy-u", -1)
	w := f.warm("livy-w", 3)
	listed := []livy.Session{{ID: 2, Name: "livy-u", State: "idle"}, {ID: 3, Name: "livy-w", State: "idle"}}
	f.poll(&lists{sessions: listed})
	if n := f.total(); n != 0 {
		t.Fatalf("%d records of sessions that belong to nobody", n)
	}
	hidden, err := f.Hidden(t.Context(), f.g, 2, 3)
	if err != nil || !hidden[2] || !hidden[3] {
		t.Errorf("hidden: %v, %v", hidden, err)
	}
	f.now = f.now.Add(time.Hour)
	f.poll(&lists{sessions: listed, during: func() {
		if w == nil {
			return
		}
		if err := f.handOver(w, func(in *sessions.Intent) { in.Name = "mine" }); err != nil {
			t.Error(err)
		}
		w = nil
	}})
	f.poll(&lists{sessions: listed})
	if r := f.record(livy.KindSession, 3); f.total() != 1 || r.Name != "mine" || r.LivyName != "livy-w" || !r.Live() || r.ID != "livy-w" {
		t.Errorf("%d records, %+v", f.total(), r)
	}
	if hidden, err := f.Hidden(t.Context(), f.g, 3); err != nil || hidden[3] {
		t.Errorf("hidden: %v, %v", hidden, err)
	}
	// Until the hand-over its use was the gateway's own.
	usage, err := f.store.Usage(t.Context(), f.g.ID, "", "")
	if err != nil || len(usage) != 1 || usage[0].TokenID != "" || usage[0].MilliCPUSeconds != 3_600_000 {
		t.Errorf("usage %+v, %v", usage, err)
	}
}

// TestHandOverAfterTheServer: once a server has ended, none of its warm sessions is handed over.
func TestHandOverAfterTheServer(t *testing.T) {
	f := newFixture(t)
	w := f.warm("livy-w", 3)
	if err := f.ServerEnded(t.Context(), store.Fence{}, f.g, "the gateway was stopped"); err != nil {
		t.Fatal(err)
	}
	if err := f.handOver(w); !errors.Is(err, sessions.ErrWarmGone) {
		t.Errorf("%v", err)
	}
	if n := f.total(); n != 0 {
		t.Errorf("%d records", n)
	}
}

// TestHandOverChecks: a hand-over checks what a create does, and leaves the session if it fails.
func TestHandOverChecks(t *testing.T) {
	f := newFixture(t)
	f.create(livy.KindSession, 1, func(in *sessions.Intent) { in.Name = "taken" })
	w := f.warm("livy-w", 3)
	if err := f.handOver(w, func(in *sessions.Intent) { in.MaxLive = 1 }); gateway.KindOf(err) != gateway.KindLimited {
		t.Errorf("limit: %v", err)
	}
	if err := f.handOver(w, func(in *sessions.Intent) { in.Name = "taken" }); !errors.Is(err, store.ErrNameTaken) {
		t.Errorf("name: %v", err)
	}
	repeat := func(in *sessions.Intent) { in.Repeat = &sessions.Repeat{Key: "k", Body: "b"} }
	if err := f.handOver(w, repeat); err != nil {
		t.Fatal(err)
	}
	var repeated *sessions.RepeatedError
	if err := f.handOver(f.warm("livy-v", 4), repeat); !errors.As(err, &repeated) || repeated.Reply.Status != 201 {
		t.Errorf("repeated: %v", err)
	}
	if all, _ := f.store.Warm(t.Context(), f.g.ID); len(all) != 1 || all[0].ID != "livy-v" {
		t.Errorf("%d warm sessions are left", len(all))
	}
}
