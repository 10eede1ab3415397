package store_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestWarmSessionsOfInstances lets two instances on one Redis hand over the same warm sessions
// while a third ends them. Each is handed over once or ended, never both.
func TestWarmSessionsOfInstances(t *testing.T) {
	server := storetest.StartServer(t)
	open := func() *store.Store { return storetest.Open(t, store.Options{Addrs: []string{server.Addr()}}) }
	stores := []*store.Store{open(), open(), open()}
	const count = 20
	now := time.UnixMilli(1_700_000_000_000).UTC()
	for i := range count {
		w := &store.Warm{ID: fmt.Sprintf("livy-%02d", i), GatewayID: "lc-1", Epoch: 1, LivyID: int64(i), State: store.WarmIdle, Created: now}
		if err := stores[0].SaveWarm(t.Context(), store.Fence{}, w); err != nil {
			t.Fatal(err)
		}
	}
	var handed, ended [count]atomic.Int64
	var wg sync.WaitGroup
	read := make([][]*store.Warm, len(stores))
	for n, s := range stores {
		all, err := s.Warm(t.Context(), "lc-1")
		if err != nil || len(all) != count {
			t.Fatalf("%d warm sessions, %v", len(all), err)
		}
		read[n] = all
	}
	for n, s := range stores {
		wg.Go(func() {
			for i, w := range read[n] {
				var err error
				if n == 2 {
					w.State = store.WarmEnding
					err = s.SaveWarm(t.Context(), store.Fence{}, w)
				} else {
					_, err = s.HandOver(t.Context(), w, &store.Record{
						ID: w.ID, GatewayID: "lc-1", Kind: "session", LivyID: w.LivyID, PublicID: w.LivyID, Epoch: 1, Name: w.ID,
						State: "idle", TokenID: "lctk-1", Created: now, Started: now,
					}, 0, nil, nil)
				}
				switch {
				case err == nil && n == 2:
					ended[i].Add(1)
				case err == nil:
					handed[i].Add(1)
				case !errors.Is(err, store.ErrChanged):
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range count {
		if handed[i].Load()+ended[i].Load() != 1 {
			t.Errorf("session %d was handed over %d times and ended %d times", i, handed[i].Load(), ended[i].Load())
		}
	}
	left, err := stores[0].Warm(t.Context(), "lc-1")
	living, err2 := stores[0].LiveRecords(t.Context(), "lc-1")
	if err != nil || err2 != nil || len(left)+len(living) != count {
		t.Errorf("%d entries and %d records, %v, %v", len(left), len(living), err, err2)
	}
}

// TestIdleUseCounts checks that what a warm session used before it was handed over or ended counts
// for its gateway and workspace, once, and for nobody else.
func TestIdleUseCounts(t *testing.T) {
	s, _ := storetest.Mini(t)
	ready := time.Date(2026, 11, 26, 23, 50, 0, 0, time.UTC)
	until := ready.Add(15 * time.Minute)
	for n, end := range []func(w *store.Warm) error{
		func(w *store.Warm) error { return s.DropWarm(t.Context(), store.Fence{}, w, "default", until) },
		func(w *store.Warm) error {
			_, err := s.HandOver(t.Context(), w, &store.Record{
				ID: w.ID, GatewayID: "lc-1", Workspace: "default", Kind: "session", LivyID: w.LivyID, PublicID: w.LivyID, Epoch: 1,
				Name: w.ID, State: "idle", TokenID: "lctk-1", User: "ann", Created: until, Started: until,
			}, 0, nil, nil)
			return err
		},
	} {
		w := &store.Warm{
			ID: fmt.Sprint("livy-", n), GatewayID: "lc-1", Epoch: 1, LivyID: int64(n), State: store.WarmIdle, Created: ready, Ready: ready,
			MilliCPU: 2000, MemoryMB: 1024,
		}
		if err := s.SaveWarm(t.Context(), store.Fence{}, w); err != nil {
			t.Fatal(err)
		}
		read := *w
		if err := end(w); err != nil {
			t.Fatal(err)
		}
		if err := end(&read); !errors.Is(err, store.ErrChanged) {
			t.Errorf("a second end: %v", err)
		}
		for period, minutes := range map[string]int64{"2026-11-26": 10, "2026-11-27": 5, "2026-11": 15} {
			want := store.Amount{MilliCPUSeconds: int64(n+1) * minutes * 60 * 2000, MBSeconds: int64(n+1) * minutes * 60 * 1024}
			sums, err := s.Spent(t.Context(), period)
			if err != nil || len(sums) != 2 || sums[store.Account{Per: "gateway", Name: "lc-1"}] != want ||
				sums[store.Account{Per: "workspace", Name: "default"}] != want {
				t.Errorf("%s after %d: %+v %v, want %+v", period, n+1, sums, err, want)
			}
		}
	}
}
