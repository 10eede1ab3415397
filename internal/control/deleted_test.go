package control

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestNothingStaysOfADeletedGateway covers what other instances write a moment after the
// deletion.
func TestNothingStaysOfADeletedGateway(t *testing.T) {
	s, redis := storetest.Mini(t)
	var ahead atomic.Int64
	m := testManagerWith(t, s, newFakeRuntime(t), func(o *Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	g := create(t, m, "etl", false)
	record := func(id string) {
		t.Helper()
		r := &store.Record{ID: id, GatewayID: g.ID, Kind: "batch", Name: id, PublicID: -1, Created: time.Now()}
		if err := s.BeginCreate(context.Background(), r, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	record("livy-before")
	if _, err := m.Delete(t.Context(), g, false, gateway.Order{}); err != nil {
		t.Fatal(err)
	}
	left := func() bool { return redis.Exists("livygw:records:" + g.ID) }
	if left() {
		t.Error("its records stay")
	}

	record("livy-late")
	if _, _, err := m.Tokens.Create(t.Context(), tokens.CreateRequest{GatewayID: g.ID, Settings: tokens.Settings{Name: new("late")}}); err != nil {
		t.Fatal(err)
	}
	if m.sweepDeleted(t.Context()); !left() {
		t.Error("records went while others may still write some")
	}
	ahead.Store(int64(2 * deletedRest))
	if m.sweepDeleted(t.Context()); left() || redis.Exists("livygw:deleted") {
		t.Errorf("left behind: %v", redis.Keys())
	}
	if left, err := m.Tokens.List(t.Context(), g.ID); err != nil || len(left) != 0 {
		t.Errorf("tokens left: %v, %v", left, err)
	}
}
