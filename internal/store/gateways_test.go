package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

func newGateway(id, name string) *gateway.Gateway {
	return &gateway.Gateway{
		ID: id, Workspace: "default", Spec: gateway.Spec{Name: name, CPU: 1, Memory: "4Gi"},
		Desired: gateway.StateStopped, Status: gateway.Status{State: gateway.StateCreated},
	}
}

func TestGateways(t *testing.T) {
	ctx := context.Background()
	s, _ := storetest.Mini(t)
	g := newGateway("lc-1", "etl")
	if err := s.SaveGateway(ctx, g, store.Write{}); err != nil {
		t.Fatal(err)
	}
	if g.Revision != 1 {
		t.Errorf("revision is %d after the first save, want 1", g.Revision)
	}

	err := s.SaveGateway(ctx, newGateway("lc-2", "etl"), store.Write{})
	if gateway.KindOf(err) != gateway.KindConflict {
		t.Errorf("a second gateway of the same name: %v, want a conflict", err)
	}
	other := newGateway("lc-2", "etl")
	other.Workspace = "team"
	if err := s.SaveGateway(ctx, other, store.Write{}); err != nil {
		t.Errorf("the same name in another workspace: %v", err)
	}

	stale := *g
	g.Spec.Queue = "root.etl"
	if err := s.SaveGateway(ctx, g, store.Write{}); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveGateway(ctx, &stale, store.Write{}); !errors.Is(err, store.ErrRevision) {
		t.Errorf("saving on top of an old revision: %v, want ErrRevision", err)
	}
	got, err := s.Gateway(ctx, "lc-1")
	if err != nil || got.Spec.Queue != "root.etl" || got.Revision != 2 {
		t.Errorf("read back %+v, %v", got, err)
	}

	if err := s.DeleteGateway(ctx, store.Fence{}, g); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Gateway(ctx, "lc-1"); gateway.KindOf(err) != gateway.KindNotFound {
		t.Errorf("reading a deleted gateway: %v, want not found", err)
	}
	if err := s.SaveGateway(ctx, newGateway("lc-3", "etl"), store.Write{}); err != nil {
		t.Errorf("the name of a deleted gateway is not free: %v", err)
	}
	all, err := s.Gateways(ctx)
	if err != nil || len(all) != 2 {
		t.Errorf("%d gateways, %v; want 2", len(all), err)
	}
}

func TestSavingAGatewayTellsWatchers(t *testing.T) {
	s, _ := storetest.Mini(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	events := make(chan store.Event, 8)
	go s.Watch(ctx, func(e store.Event) { events <- e })
	if e := <-events; e.Topic != store.TopicResync {
		t.Fatalf("first event %+v", e)
	}
	if err := s.SaveGateway(ctx, newGateway("lc-1", "etl"), store.Write{}); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-events:
		if e != (store.Event{Topic: store.TopicGateway, ID: "lc-1"}) {
			t.Errorf("event %+v", e)
		}
	case <-ctx.Done():
		t.Error("no event")
	}
}

func TestRecords(t *testing.T) {
	ctx := context.Background()
	s, _ := storetest.Mini(t)
	start := time.UnixMilli(1_700_000_000_000).UTC()
	record := func(kind string, id int64, name string) *store.Record {
		return &store.Record{
			ID: "livy-" + name, GatewayID: "lc-1", Kind: kind, PublicID: id, LivyID: id,
			Name: name, State: "starting", Created: start.Add(time.Duration(id) * time.Second),
		}
	}
	a, b, c := record("session", 0, "a"), record("session", 7, "b"), record("batch", 3, "c")
	if err := s.SaveRecords(ctx, store.Fence{}, "lc-1", a, b, c); err != nil {
		t.Fatal(err)
	}
	session, batch, err := s.NextIDs(ctx, store.Fence{}, "lc-1")
	if err != nil || session != 8 || batch != 4 {
		t.Errorf("next ids %d, %d, %v; want 8, 4", session, batch, err)
	}
	if id, err := s.LiveID(ctx, "lc-1", "session", "b"); err != nil || id != 7 {
		t.Errorf("session b is %d, %v; want 7", id, err)
	}
	b.State, b.Ended = "dead", start.Add(time.Hour)
	if err := s.SaveRecords(ctx, store.Fence{}, "lc-1", b); err != nil {
		t.Fatal(err)
	}
	if _, err := s.LiveID(ctx, "lc-1", "session", "b"); gateway.KindOf(err) != gateway.KindNotFound {
		t.Errorf("the name of an ended session: %v, want not found", err)
	}
	live, err := s.LiveRecords(ctx, "lc-1")
	if err != nil || len(live) != 2 {
		t.Errorf("%d live records, %v; want 2", len(live), err)
	}
	page, total, err := s.Records(ctx, "lc-1", store.RecordFilter{}, 0, 2)
	if err != nil || total != 3 || len(page) != 2 || page[0].Name != "b" || page[1].Name != "c" {
		t.Errorf("first page %v of %d, %v", page, total, err)
	}
	if page, _, _ = s.Records(ctx, "lc-1", store.RecordFilter{}, 2, 2); len(page) != 1 || page[0].Name != "a" {
		t.Errorf("second page %v", page)
	}
	if next, _, _ := s.NextIDs(ctx, store.Fence{}, "lc-1"); next != 8 {
		t.Errorf("next session id is %d after an update, want 8", next)
	}
	if err := s.DeleteRecords(ctx, "lc-1"); err != nil {
		t.Fatal(err)
	}
	if _, total, _ := s.Records(ctx, "lc-1", store.RecordFilter{}, 0, 10); total != 0 {
		t.Errorf("%d records left", total)
	}
}
