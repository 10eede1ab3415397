package store_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestRedisGoesBack has two instances claim leases while Redis is set back by
// several times; one of them notices, the other hears of it.
func TestRedisGoesBack(t *testing.T) {
	ctx := context.Background()
	const minute = int64(60_000)
	for name, tt := range map[string]struct {
		// back sets the stored clock; now is what it was.
		back    func(clock func(ms int64), now int64)
		noticed string
	}{
		"not at all":     {back: func(func(int64), int64) {}},
		"by a second":    {back: func(clock func(int64), now int64) { clock(now - 1000) }},
		"by a minute":    {back: func(clock func(int64), now int64) { clock(now - minute) }, noticed: "data written from "},
		"to nothing":     {back: func(clock func(int64), _ int64) { clock(0) }, noticed: "found empty"},
		"by ten minutes": {back: func(clock func(int64), now int64) { clock(now - 10*minute) }, noticed: "data written from "},
		"forward, as from a machine whose clock is ahead": {back: func(clock func(int64), now int64) { clock(now + minute) }},
	} {
		t.Run(name, func(t *testing.T) {
			s, redis := storetest.Mini(t)
			if err := s.SaveGateway(ctx, &gateway.Gateway{ID: "lc-1", Workspace: "default", Spec: gateway.Spec{Name: "etl"}}, store.Write{}); err != nil {
				t.Fatal(err)
			}
			claim := func(who string, mark store.Checkpoint) store.Checkpoint {
				t.Helper()
				g, err := s.ClaimLeases(ctx, store.Claim{By: store.Instance{ID: who}, TTL: time.Minute, Forget: time.Minute, Checkpoint: mark})
				if err != nil {
					t.Fatal(err)
				}
				return g.Checkpoint
			}
			a := claim("a", store.Checkpoint{})
			b := claim("b", store.Checkpoint{})
			if (store.Checkpoint{}).RolledBack(a) || a.RolledBack(b) {
				t.Fatalf("at the start: %+v, %+v", a, b)
			}
			tt.back(func(ms int64) { redis.HSet("livygw:clock", "now", strconv.FormatInt(ms, 10)) }, a.Clock)
			afterA := claim("a", a)
			afterB := claim("b", b)
			if want := tt.noticed != ""; a.RolledBack(afterA) != want || b.RolledBack(afterB) != want {
				t.Errorf("noticed: %v and %v, want %v", a.RolledBack(afterA), b.RolledBack(afterB), want)
			}
			if again := claim("a", afterA); afterA.RolledBack(again) {
				t.Error("it was noticed twice")
			}
			if fresh := claim("c", store.Checkpoint{}); (store.Checkpoint{}).RolledBack(fresh) {
				t.Error("noticed by one that knows nothing of before")
			}
			lost, err := s.LastRollback(ctx)
			if err != nil || (lost != nil) != (tt.noticed != "") || lost != nil && !strings.Contains(lost.String(), tt.noticed) {
				t.Errorf("on record: %v, %v", lost, err)
			}
			session, batch, err := s.NextIDs(ctx, store.Fence{}, "lc-1")
			want := int64(0)
			if tt.noticed != "" {
				want = store.RestoredSkip
			}
			if err != nil || session != want || batch != want {
				t.Errorf("ids go on at %d and %d, want %d: %v", session, batch, want, err)
			}
		})
	}
}
