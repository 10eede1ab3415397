package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

func claim(t *testing.T, s *store.Store, who string, ttl time.Duration, leases map[string]int64) store.Grant {
	t.Helper()
	g, err := s.ClaimLeases(context.Background(), store.Claim{
		By: store.Instance{ID: who, Name: who + "-host/1", Location: "here"}, Leases: leases, TTL: ttl, Forget: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestLeases runs on a real Redis, whose clock counts.
func TestLeases(t *testing.T) {
	t.Parallel()
	s, redis := storetest.Real(t)
	ctx := context.Background()
	g := &gateway.Gateway{ID: "lc-1", Workspace: "default", Spec: gateway.Spec{Name: "etl"}}
	if err := s.SaveGateway(ctx, g, store.Write{}); err != nil {
		t.Fatal(err)
	}
	const ttl = 3 * time.Second // a busy machine may come two seconds late to renew it
	first := claim(t, s, "a", ttl, map[string]int64{"lc-1": 0, "lc-unknown": 0})
	n := first.Leases["lc-1"]
	if n == 0 || len(first.Leases) != 1 || first.Former["lc-1"] != "" {
		t.Fatalf("the first claim got %+v", first)
	}
	if got := claim(t, s, "b", ttl, map[string]int64{"lc-1": 0}); len(got.Leases) != 0 {
		t.Errorf("a second one got %+v", got)
	} else if len(got.Instances) != 2 || got.Instances[0].Name != "a-host/1" || got.Instances[0].Location != "here" || got.Instances[0].Silent > 10*time.Second {
		t.Errorf("instances %+v", got.Instances)
	}
	for range 4 { // renewed for longer than it lasts
		time.Sleep(ttl / 3)
		if got := claim(t, s, "a", ttl, map[string]int64{"lc-1": n}); got.Leases["lc-1"] != n || len(got.Former) != 0 {
			t.Fatalf("renewing %d: %+v", n, got)
		}
	}
	time.Sleep(ttl + 50*time.Millisecond)
	second := claim(t, s, "b", ttl, map[string]int64{"lc-1": 0})
	if second.Leases["lc-1"] <= n || second.Former["lc-1"] != "a" {
		t.Fatalf("after its end: %+v, was %d", second, n)
	}
	if got := claim(t, s, "a", ttl, map[string]int64{"lc-1": n}); len(got.Leases) != 0 {
		t.Errorf("the former holder renewed it: %+v", got)
	}
	if err := s.ReleaseLeases(ctx, store.Instance{ID: "a"}, map[string]int64{"lc-1": n}); err != nil {
		t.Fatal(err)
	}
	if got := claim(t, s, "a", ttl, map[string]int64{"lc-1": 0}); len(got.Leases) != 0 {
		t.Errorf("the former holder gave another one's lease back: %+v", got)
	}
	if err := s.ReleaseLeases(ctx, store.Instance{ID: "b"}, second.Leases); err != nil {
		t.Fatal(err)
	}
	third := claim(t, s, "a", ttl, map[string]int64{"lc-1": 0})
	if third.Leases["lc-1"] <= second.Leases["lc-1"] || third.Former["lc-1"] != "b" {
		t.Errorf("after it was given back: %+v", third)
	}
	if len(third.Instances) != 2 || !third.Instances[1].Left {
		t.Errorf("b has not left: %+v", third.Instances)
	}
	time.Sleep(2 * time.Millisecond) // of Redis's clock, which numbers follow
	// A lease that ends long after its time was made by a clock that is wrong.
	redis.MustDo("HSET", "livygw:leases", "lc-1", "5 99999999999999 b")
	// Numbers that were lost, as with an old backup, do not come again.
	if got := claim(t, s, "a", ttl, map[string]int64{"lc-1": 0}); got.Leases["lc-1"] <= third.Leases["lc-1"] {
		t.Errorf("number %d after %d", got.Leases["lc-1"], third.Leases["lc-1"])
	}
}

// TestFence: every write under a lease that is lost is refused, and does nothing.
func TestFence(t *testing.T) {
	s, redis := storetest.Real(t)
	ctx := context.Background()
	g := &gateway.Gateway{ID: "lc-1", Workspace: "default", Spec: gateway.Spec{Name: "etl"}}
	if err := s.SaveGateway(ctx, g, store.Write{}); err != nil {
		t.Fatal(err)
	}
	created := time.Now().Add(-time.Hour)
	old := &store.Record{ID: "livy-old", GatewayID: "lc-1", Kind: "batch", PublicID: 1, Name: "one", State: "success", Created: created}
	if err := s.SaveRecords(ctx, store.Fence{}, "lc-1", old); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveStatement(ctx, "lc-1", &store.Statement{SessionID: 1, Submitted: created}); err != nil {
		t.Fatal(err)
	}
	if err := s.BeginCreate(ctx, &store.Record{ID: "livy-p", GatewayID: "lc-1", Kind: "batch", PublicID: -1, Name: "p", State: "starting", Created: created}, 0, nil); err != nil {
		t.Fatal(err)
	}
	mine := claim(t, s, "a", time.Minute, map[string]int64{"lc-1": 0}).Leases["lc-1"]
	writes := map[string]func(store.Fence) error{
		"gateway": func(f store.Fence) error { c := *g; return s.SaveGateway(ctx, &c, store.Write{Fence: f}) },
		"record":  func(f store.Fence) error { return s.SaveRecords(ctx, f, "lc-1", old) },
		"ids":     func(f store.Fence) error { _, _, err := s.SkipIDs(ctx, f, "lc-1", 10); return err },
		"pending": func(f store.Fence) error { return s.ForgetPending(ctx, f, "lc-1", [2]string{"batch", "p"}) },
		"trim":    func(f store.Fence) error { _, err := s.DropRecords(ctx, f, "lc-1", old); return err },
		"trim of statements": func(f store.Fence) error {
			_, err := s.DropStatements(ctx, f, "lc-1", time.Now(), 10)
			return err
		},
		"nothing but the question": func(f store.Fence) error { return s.CheckFence(ctx, f) },
	}
	for name, lost := range map[string]func(){
		"taken over": func() { redis.MustDo("HSET", "livygw:leases", "lc-1", "99999999999999 0 b") },
		"deleted":    func() { redis.MustDo("HDEL", "livygw:leases", "lc-1") },
	} {
		lost()
		before := dumped(redis)
		fenced := store.Fence{GatewayID: "lc-1", Number: mine}
		for what, write := range writes {
			if err := write(fenced); !errors.Is(err, store.ErrFenced) {
				t.Errorf("%s, %s: %v; want ErrFenced", name, what, err)
			}
		}
		if dumped(redis) != before {
			t.Errorf("%s: something was written", name)
		}
	}
	mine = claim(t, s, "a", time.Minute, map[string]int64{"lc-1": 0}).Leases["lc-1"]
	fenced := store.Fence{GatewayID: "lc-1", Number: mine}
	for _, what := range []string{"gateway", "record", "ids", "pending", "trim", "trim of statements", "nothing but the question"} {
		if err := writes[what](fenced); err != nil {
			t.Errorf("%s under the lease: %v", what, err)
		}
	}
	if err := s.SaveRecords(ctx, store.Fence{}, "lc-1", old); errors.Is(err, store.ErrFenced) {
		t.Errorf("a write without a fence: %v", err)
	}
}

// dumped is everything that a Redis holds.
func dumped(redis *storetest.Server) string {
	var all strings.Builder
	keys, _ := redis.MustDo("KEYS", "*").([]any)
	slices.SortFunc(keys, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	for _, key := range keys {
		fmt.Fprintln(&all, key, redis.MustDo("DUMP", key))
	}
	return all.String()
}
