package store_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

func TestObserver(t *testing.T) {
	_, redis := storetest.Mini(t)
	var commands, failures int
	var told []string
	s, err := store.Open(store.Options{
		Addrs: []string{redis.Addr()}, Timeout: storetest.Patience,
		Observer: store.Observer{
			Command: func(took time.Duration, err error) {
				commands++
				if took <= 0 {
					t.Errorf("a command took %v", took)
				}
				if err != nil {
					failures++
				}
			},
			Started: func(r *store.Record) { told = append(told, "started "+r.ID) },
			Ended:   func(r *store.Record) { told = append(told, "ended "+r.ID+" "+r.State) },
		},
	}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, now := t.Context(), time.Now()
	r := &store.Record{ID: "livy-1", GatewayID: "lc-1", Kind: "batch", PublicID: 0, State: "starting", Created: now, Updated: now}
	save := func() {
		t.Helper()
		if err := s.SaveRecords(ctx, store.Fence{}, "lc-1", r); err != nil {
			t.Fatal(err)
		}
	}
	save()
	r.State, r.Started = "running", now
	save()
	r.AppID = "app-1"
	save()
	if r, err = s.RecordByID(ctx, "lc-1", "livy-1"); err != nil {
		t.Fatal(err)
	}
	stale := *r
	r.State, r.Ended = "success", now
	save()
	r.AppID = "app-2" // an ended record is completed
	save()
	stale.State, stale.Ended = "dead", now
	if err := s.SaveRecords(ctx, store.Fence{}, "lc-1", &stale); err == nil {
		t.Fatal("a stale record was written")
	}
	if len(told) != 2 || told[0] != "started livy-1" || told[1] != "ended livy-1 success" {
		t.Errorf("told %q", told)
	}
	if commands == 0 || failures != 0 {
		t.Errorf("%d commands, %d failures", commands, failures)
	}
	redis.SetError("LOADING Redis is loading the dataset in memory")
	_ = s.Ping(ctx)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_ = s.Ping(gone) // which is no failure of Redis
	if failures != 1 {
		t.Errorf("%d failures, want 1", failures)
	}
}
