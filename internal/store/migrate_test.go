package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

func TestSchema(t *testing.T) {
	t.Parallel()
	s, mini := storetest.Mini(t) // has migrated it once
	if got, _ := mini.Get("livygw:schema"); got != "2" {
		t.Errorf("an empty database is marked %q, want 2", got)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Errorf("our own schema: %v", err)
	}
	for mark, want := range map[string]string{
		"3": "written by a newer version", "cache": "used by something else", "0": "used by something else", "": "used by something else",
	} {
		_ = mini.Set("livygw:schema", mark)
		err := s.Migrate(t.Context())
		if gateway.KindOf(err) != gateway.KindConflict || !strings.Contains(err.Error(), want) {
			t.Errorf("mark %q: %v, want a conflict that says %q", mark, err, want)
		}
		if got, _ := mini.Get("livygw:schema"); got != mark {
			t.Errorf("mark %q was changed to %q", mark, got)
		}
	}
}

// schema1 turns a migrated store's Redis into one that the version before wrote.
func schema1(do func(...any) any) {
	do("SET", "livygw:schema", "1")
	do("HSET", "livygw:gateways", "lc-1", "{}", "lc-2", "{}", "lc-none", "{}")
	do("XADD", "livygw:trail", "1000-0", "e", `{"action":"old.1"}`)
	do("XADD", "livygw:trail", "2000-5", "e", `{"action":"old.2"}`)
	oldStatement(do, "lc-1", 1)
	oldStatement(do, "lc-1", 2)
	oldStatement(do, "lc-2", 3)
}

func oldStatement(do func(...any) any, gatewayID string, n int) {
	ref := fmt.Sprintf("7:%d", n)
	do("HSET", "livygw:audit:"+gatewayID, ref, fmt.Sprintf(`{"sessionId":7,"statementId":%d,"code":"c%d"}`, n, n))
	do("ZADD", "livygw:audit-index:"+gatewayID, n, ref)
}

func statementIDs(t *testing.T, s *store.Store, gatewayID string) (ids []int64) {
	t.Helper()
	all, _, err := s.Statements(t.Context(), gatewayID, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range all {
		ids = append(ids, st.StatementID)
	}
	return ids
}

func TestMigrateFromSchema1(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, do func(...any) any) {
		schema1(do)
		var wg sync.WaitGroup
		for range 4 { // instances that start at the same time
			wg.Go(func() {
				if err := s.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := do("GET", "livygw:schema"); got != "2" {
			t.Errorf("schema %v", got)
		}
		page, _, err := s.ReadAudit(t.Context(), store.AuditFilter{}, 10)
		if err != nil || len(page) != 2 || page[1].ID != "1000-0" || page[0].ID != "2000-5" || page[0].Time.UnixMilli() != 2000 {
			t.Errorf("audit %+v, %v", page, err)
		}
		if one, two := statementIDs(t, s, "lc-1"), statementIDs(t, s, "lc-2"); fmt.Sprint(one, two) != "[2 1] [3]" {
			t.Errorf("statements %v, %v", one, two)
		}
		if left := do("EXISTS", "livygw:trail", "livygw:audit:lc-1", "livygw:audit-index:lc-1", "livygw:audit:lc-2", "livygw:audit-index:lc-2"); left != int64(0) {
			t.Errorf("%v old keys are left", left)
		}
		if n, err := s.AdoptOldKeys(t.Context(), []string{"lc-1", "lc-2", "lc-none"}); n != 0 || err != nil {
			t.Errorf("moved %d more, %v", n, err)
		}
	})
}

// A new instance found Redis away when it started, and wrote before the migration.
func TestMigrateBehindNewWrites(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, do func(...any) any) {
		schema1(do)
		if err := s.AppendAudit(t.Context(), store.AuditEntry{Action: "new"}); err != nil {
			t.Fatal(err)
		}
		if err := s.SaveStatement(t.Context(), "lc-1", &store.Statement{SessionID: 7, StatementID: 9, Submitted: time.UnixMilli(9)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, err := s.AdoptOldKeys(t.Context(), []string{"lc-1", "lc-2"}); n != 2 || err != nil {
			t.Errorf("moved %d, %v; want lc-1's two statements", n, err)
		}
		if got := actions(t, s, store.AuditFilter{}); fmt.Sprint(got) != "[new old.2 old.1]" {
			t.Errorf("audit %v", got)
		}
		if one, two := statementIDs(t, s, "lc-1"), statementIDs(t, s, "lc-2"); fmt.Sprint(one, two) != "[9 2 1] [3]" {
			t.Errorf("statements %v, %v", one, two)
		}
	})
}

// An instance of the version before goes on running, and writing, after the migration.
func TestAdoptOldKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, do func(...any) any) {
		schema1(do)
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		const many = 450 // more than one step moves
		for i := range many {
			do("XADD", "livygw:trail", fmt.Sprintf("%d-0", 3000+i), "e", fmt.Sprintf(`{"action":"late.%d"}`, i))
			oldStatement(do, "lc-1", 100+i)
		}
		if err := s.AppendAudit(t.Context(), store.AuditEntry{Action: "new"}); err != nil {
			t.Fatal(err)
		}
		interrupted, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.AdoptOldKeys(interrupted, []string{"lc-1"}); gateway.KindOf(err) != gateway.KindUnavailable {
			t.Errorf("interrupted: %v", err)
		}
		if n, err := s.AdoptOldKeys(t.Context(), []string{"lc-1", "lc-2"}); n != 2*many || err != nil {
			t.Errorf("moved %d, %v; want %d", n, err, 2*many)
		}
		got := actions(t, s, store.AuditFilter{})
		if len(got) != many+3 || got[0] != fmt.Sprintf("late.%d", many-1) || got[many] != "new" || got[many+1] != "old.2" {
			t.Errorf("audit %v", got)
		}
		page, _, err := s.ReadAudit(t.Context(), store.AuditFilter{}, 1)
		if err != nil || page[0].Time.UnixMilli() != 3000+many-1 || !store.ValidAuditID(page[0].ID) || page[0].ID[:4] == "3449" {
			t.Errorf("a late entry %+v, %v: want its own time, and the ID of its place", page[0], err)
		}
		if ids := statementIDs(t, s, "lc-1"); len(ids) != many+2 || ids[0] != 100+many-1 {
			t.Errorf("%d statements", len(ids))
		}
		if n, err := s.AdoptOldKeys(t.Context(), []string{"lc-1", "lc-2"}); n != 0 || err != nil {
			t.Errorf("once more: %d, %v", n, err)
		}
	})
}

func TestDropOrphanedStatements(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, do func(...any) any) {
		schema1(do)
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		do("HDEL", "livygw:gateways", "lc-1") // as an old instance does it
		if n, err := s.DropOrphanedStatements(t.Context()); n != 1 || err != nil {
			t.Errorf("dropped those of %d gateways, %v", n, err)
		}
		if one, two := statementIDs(t, s, "lc-1"), statementIDs(t, s, "lc-2"); fmt.Sprint(one, two) != "[] [3]" {
			t.Errorf("statements %v, %v", one, two)
		}
	})
}

// TestEmptiedRedis checks that a Redis that lost its data is taken for an outage: its
// "there is no such" must not make clients throw their tokens away, and nothing is
// written that a restored backup would not know of. Only a new process begins anew.
func TestEmptiedRedis(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, do func(args ...any) any) {
		ctx := t.Context()
		one := func(_ any, err error) error { return err }
		g := &gateway.Gateway{ID: "lc-1", Workspace: "default", Spec: gateway.Spec{Name: "etl"}}
		reads := map[string]func() error{
			"Token":         func() error { return one(s.Token(ctx, "lctk-aaaaaaaaaaaaaaaa")) },
			"TokenBySecret": func() error { return one(s.TokenBySecret(ctx, strings.Repeat("0", 64))) },
			"Gateway":       func() error { return one(s.Gateway(ctx, g.ID)) },
			"Record":        func() error { return one(s.Record(ctx, g.ID, "session", 0)) },
			"RecordByID":    func() error { return one(s.RecordByID(ctx, g.ID, "livy-x")) },
			"LiveID":        func() error { return one(s.LiveID(ctx, g.ID, "session", "x")) },
		}
		for name, read := range reads {
			wantKind(t, name, read(), gateway.KindNotFound)
		}
		do("FLUSHALL")
		others := map[string]func() error{
			"Ping":             func() error { return s.Ping(ctx) },
			"Migrate":          func() error { return s.Migrate(ctx) },
			"Gateways":         func() error { return one(s.Gateways(ctx)) },
			"GatewayRevisions": func() error { return one(s.GatewayRevisions(ctx)) },
			"Tokens":           func() error { return one(s.Tokens(ctx, g.ID)) },
			"RecordIDs":        func() error { return one(s.RecordIDs(ctx, g.ID, []store.PublicRef{{Kind: "session"}})) },
			"SaveGateway":      func() error { return s.SaveGateway(ctx, g, store.Write{}) },
			"DeleteGateway":    func() error { return s.DeleteGateway(ctx, store.Fence{}, g) },
			"CreateToken":      func() error { return s.CreateToken(ctx, testRow(1), store.Write{}) },
			"RevokeToken":      func() error { return s.RevokeToken(ctx, g.ID, "lctk-x", time.Now(), store.Write{}) },
			"BeginCreate": func() error {
				return s.BeginCreate(ctx, &store.Record{ID: "livy-x", GatewayID: g.ID, Kind: "session"}, 0, nil)
			},
			"Installation": func() error { return one(s.Installation(ctx, "in-x")) },
			"SharedKey":    func() error { return one(s.SharedKey(ctx, "x", []byte("x"))) },
			"Touch":        func() error { return one(s.Touch(ctx, g.ID, 1)) },
			"AppendAudit":  func() error { return s.AppendAudit(ctx, store.AuditEntry{Action: "x"}) },
			"ClaimLeases": func() error {
				return one(s.ClaimLeases(ctx, store.Claim{By: store.Instance{ID: "a"}, TTL: time.Minute, Forget: time.Minute, Checkpoint: store.Checkpoint{Clock: 1}}))
			},
		}
		maps.Copy(others, reads)
		for name, call := range others {
			if err := call(); !errors.Is(err, store.ErrEmptied) || gateway.KindOf(err) != gateway.KindUnavailable {
				t.Errorf("%s in an emptied Redis: %v, want it to be emptied", name, err)
			}
		}
		if n := do("DBSIZE"); n != int64(0) {
			t.Errorf("%v keys were written: %v", n, do("KEYS", "*"))
		}
	})
}
