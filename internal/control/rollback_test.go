package control

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestAnInstanceBelievesARedisThatWentBack shows an instance a Redis in which a
// gateway is as it was before, and another one is not yet there: its snapshot of
// later goes, its leases are new ones. What it knows outlives it in a file.
func TestAnInstanceBelievesARedisThatWentBack(t *testing.T) {
	ctx := context.Background()
	redis := miniredis.RunT(t)
	s := storetest.Open(t, store.Options{Addrs: []string{redis.Addr()}})
	dir := t.TempDir()
	newManager := func() *Manager {
		m := New(Options{
			Store: s, Runtime: handle{&engine{named: map[string]*box{}}, func(string) {}}, Logger: zap.NewNop(),
			Ledger: sessions.New(s, zap.NewNop(), time.Now, rand.Reader), Tokens: tokens.New(s, tokens.Options{}, zap.NewNop()),
			CheckpointDir: dir,
		})
		m.Configure(Settings{Settings: resolved.Settings{Catalog: gateway.Catalog{Engines: []gateway.Engine{{Name: "spark", Image: "x"}}}}})
		m.leaseholder.gained, m.leaseholder.lost = func(string, int64) {}, func(string) {}
		return m
	}
	m := newManager()
	round := func() {
		t.Helper()
		if err := m.leaseholder.round(ctx); err != nil {
			t.Fatal(err)
		}
	}
	g, err := m.Create(ctx, CreateRequest{Spec: gateway.Spec{Name: "etl"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.refreshAll(ctx); err != nil {
		t.Fatal(err)
	}
	round()
	number := m.leaseholder.heldNumbers()[g.ID]
	clock := redis.HGet("livygw:clock", "now")
	old, oldRevision := redis.HGet("livygw:gateways", g.ID), redis.HGet("livygw:gateway-revisions", g.ID)

	if g, err = m.Update(ctx, g, UpdateRequest{Patch: []byte(`{"public":true}`)}); err != nil {
		t.Fatal(err)
	}
	late, err := m.Create(ctx, CreateRequest{Spec: gateway.Spec{Name: "late"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.refreshAll(ctx); err != nil {
		t.Fatal(err)
	}
	round()
	back := func() {
		redis.HSet("livygw:clock", "now", clock[:len(clock)-7]+"0000000") // some minutes earlier
		redis.HSet("livygw:gateways", g.ID, old)
		redis.HSet("livygw:gateway-revisions", g.ID, oldRevision)
		redis.HDel("livygw:gateways", late.ID)
		redis.HDel("livygw:gateway-revisions", late.ID)
	}
	if err := m.writeCheckpoint(m.leaseholder.currentCheckpoint()); err != nil {
		t.Fatal(err)
	}
	back()
	round()
	if e, err := m.Lookup("default", "etl"); err != nil || e.Gateway.Spec.Public {
		t.Errorf("afterwards it is public all the same: %+v, %v", e, err)
	}
	if _, err := m.Lookup("default", "late"); gateway.KindOf(err) != gateway.KindNotFound {
		t.Errorf("a gateway that is not there any more: %v", err)
	}
	if held := m.leaseholder.heldNumbers(); len(held) != 0 {
		t.Errorf("leases %v are still held", held)
	}
	round()
	if again := m.leaseholder.heldNumbers()[g.ID]; again <= number {
		t.Errorf("the lease is number %d, was %d", again, number)
	}

	// Another process, with what the first one left in the file.
	back()
	redis.HDel("livygw:clock", "rewound")
	m = newManager()
	if err := m.refreshAll(ctx); err != nil {
		t.Fatal(err)
	}
	round()
	if lost, err := s.LastRollback(ctx); err != nil || lost == nil {
		t.Errorf("after a start on an old dump: %v, %v", lost, err)
	}
	// A broken file says nothing.
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 1 {
		t.Fatalf("files %v", files)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if saved, err := newManager().loadCheckpoint(ctx); err != nil || saved != (store.Checkpoint{}) {
		t.Errorf("from a broken file: %+v, %v", saved, err)
	}
}

// TestAnEmptiedRedisIsAway empties the Redis of a running instance: its gateways stay, it
// is not ready, and nothing is written. When a new process has begun with the empty Redis,
// the gateways of the configuration come back by themselves.
func TestAnEmptiedRedisIsAway(t *testing.T) {
	ctx := t.Context()
	redis := miniredis.RunT(t)
	s := storetest.Open(t, store.Options{Addrs: []string{redis.Addr()}, Timeout: storetest.Patience})
	m := testManager(t, s, newFakeRuntime(t))
	catalog := m.Settings()
	list := []Declaration{{Spec: gateway.Spec{Name: "etl"}, Manual: true}}
	if err := CheckDeclared(&catalog.Settings, list); err != nil {
		t.Fatal(err)
	}
	m.Declare(list)
	eventually := func(t *testing.T, what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited a minute for %s", what)
			}
		}
	}
	there := func() bool {
		e, err := m.Lookup("default", "etl")
		return err == nil && e.Gateway.Declared
	}
	eventually(t, "the gateway of the configuration", there)
	eventually(t, "a lease", func() bool {
		return len(m.leaseholder.heldNumbers()) == 1 && m.leaseholder.currentCheckpoint().Clock != 0
	})
	before, _ := m.Lookup("default", "etl")

	redis.FlushAll()
	eventually(t, "an instance that is not ready", func() bool { return !m.Health(ctx).Ready })
	if err := m.refreshAll(ctx); !errors.Is(err, store.ErrEmptied) {
		t.Errorf("reading the gateways: %v", err)
	}
	if err := m.leaseholder.round(ctx); !errors.Is(err, store.ErrEmptied) {
		t.Errorf("claiming leases: %v", err)
	}
	if _, err := m.Create(ctx, CreateRequest{Spec: gateway.Spec{Name: "other"}}); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("a create: %v", err)
	}
	if !there() {
		t.Error("the gateway is taken for deleted")
	}
	if keys := redis.Keys(); len(keys) != 0 {
		t.Errorf("written: %v", keys)
	}

	storetest.Open(t, store.Options{Addrs: []string{redis.Addr()}, Timeout: storetest.Patience})
	eventually(t, "the gateway, made anew", func() bool {
		e, err := m.Lookup("default", "etl")
		return err == nil && e.Gateway.ID != before.Gateway.ID
	})
	eventually(t, "an instance that is ready", func() bool { return m.Health(ctx).Ready })
}
