package store_test

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const gw = "lc-aaaaaaaaaaaaaaaa"

func testRow(n int) *store.TokenRow {
	return &store.TokenRow{
		TokenFields: store.TokenFields{
			ID: fmt.Sprintf("lctk-%016d", n), GatewayID: gw, Name: "etl", CreatedBy: "ann",
			CreatedAt: day.Add(time.Duration(n) * time.Second), UpdatedAt: day, ExpiresAt: day.AddDate(1, 0, 0),
			Scopes: []store.Scope{"read"}, CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Identity: "etl", Queue: "root.etl",
			MaxSessions: 3, MaxBatches: 4, RequestsPerSecond: 2.5,
		},
		Secrets: []store.TokenSecret{{Sum: testSum(n)}},
	}
}

func testSum(n int) string { return fmt.Sprintf("%064x", n) }

func supplied(row *store.TokenRow, n int) *store.TokenRow {
	row.Secrets = []store.TokenSecret{{Sum: testSum(n), Supplied: true}}
	return row
}

// onBoth runs a test on miniredis and on a real redis-server, whose Lua and
// expiry differ in corners.
func onBoth(t *testing.T, test func(t *testing.T, s *store.Store, do func(args ...any) any)) {
	t.Parallel()
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		s, mini := storetest.Mini(t)
		test(t, s, storetest.Commands(t, mini.Addr()))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		s, srv := storetest.Real(t)
		test(t, s, srv.MustDo)
	})
}

func wantKind(t *testing.T, what string, err error, want gateway.Kind) {
	t.Helper()
	if err == nil || gateway.KindOf(err) != want {
		t.Errorf("%s: %v, want an error of kind %v", what, err, want)
	}
}

func create(t *testing.T, s *store.Store, row *store.TokenRow) *store.TokenRow {
	t.Helper()
	// A busy machine can be late with the answer of a real Redis.
	err := store.Retry(t.Context(), 5*time.Second, func(ctx context.Context) error { return s.CreateToken(ctx, row, store.Write{}) })
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func TestTokenRoundTrip(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, _ func(...any) any) {
		want := create(t, s, testRow(1))
		got, err := s.Token(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if want.Revision != 1 || !reflect.DeepEqual(got, want) {
			t.Errorf("read back\n%+v\nwant\n%+v", got, want)
		}
		_, err = s.TokenBySecret(t.Context(), testSum(1))
		wantKind(t, "looking one of our own secrets up", err, gateway.KindNotFound)
	})
}

func TestCreateTokenTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, _ func(...any) any) {
		create(t, s, supplied(testRow(1), 1))
		create(t, s, supplied(testRow(1), 1)) // as after a reply that was lost
		other := supplied(testRow(1), 1)
		other.Name = "other"
		wantKind(t, "another token under the same id", s.CreateToken(t.Context(), other, store.Write{}), gateway.KindConflict)
		wantKind(t, "another token with the same secret", s.CreateToken(t.Context(), supplied(testRow(2), 1), store.Write{}), gateway.KindConflict)
		if _, err := s.Token(t.Context(), testRow(2).ID); gateway.KindOf(err) != gateway.KindNotFound {
			t.Errorf("the refused token is there: %v", err)
		}
	})
}

func TestUpdateToken(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, do func(...any) any) {
		row := create(t, s, supplied(testRow(1), 1))
		behind := *row
		row.Name = "renamed"
		row.Secrets = []store.TokenSecret{{Sum: testSum(2), Supplied: true}, {Sum: testSum(1), Supplied: true, Until: day}}
		if err := s.UpdateToken(t.Context(), row, store.Write{}); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "a change of an older revision", s.UpdateToken(t.Context(), &behind, store.Write{}), gateway.KindConflict)
		for _, n := range []int{1, 2} { // the former secret is still known
			got, err := s.TokenBySecret(t.Context(), testSum(n))
			if err != nil || got.Name != "renamed" || got.Revision != 2 {
				t.Errorf("secret %d: %+v, %v", n, got, err)
			}
		}
		row.Secrets = []store.TokenSecret{{Sum: testSum(3)}, row.Secrets[0]}
		if err := s.UpdateToken(t.Context(), row, store.Write{}); err != nil {
			t.Fatal(err)
		}
		_, err := s.TokenBySecret(t.Context(), testSum(1))
		wantKind(t, "a secret of two resets ago", err, gateway.KindNotFound)
		if n := do("EXISTS", "livygw:secret:"+testSum(1)); n != int64(0) {
			t.Errorf("its key is still there")
		}
		elsewhere := testRow(1)
		elsewhere.GatewayID, elsewhere.Revision = "lc-b", row.Revision
		wantKind(t, "a change through another gateway", s.UpdateToken(t.Context(), elsewhere, store.Write{}), gateway.KindNotFound)
		never := testRow(9)
		never.Revision = 1
		wantKind(t, "a change of a token that never was", s.UpdateToken(t.Context(), never, store.Write{}), gateway.KindNotFound)
	})
}

func TestRevokeToken(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, do func(...any) any) {
		row := create(t, s, supplied(testRow(1), 1))
		wantKind(t, "through another gateway", s.RevokeToken(t.Context(), "lc-b", row.ID, day, store.Write{}), gateway.KindNotFound)
		wantKind(t, "one that never was", s.RevokeToken(t.Context(), gw, testRow(9).ID, day, store.Write{}), gateway.KindNotFound)
		for range 2 { // the second time changes nothing
			if err := s.RevokeToken(t.Context(), gw, row.ID, day, store.Write{}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.TokenBySecret(t.Context(), testSum(1))
		if err != nil || !got.RevokedAt.Equal(day) {
			t.Errorf("tombstone: %+v, %v", got, err)
		}
		for _, key := range []string{"livygw:token:" + row.ID, "livygw:secret:" + testSum(1)} {
			if ms := do("PTTL", key).(int64); ms <= 0 || ms > store.TombstoneLife.Milliseconds() {
				t.Errorf("%s lives for %d ms, want %s", key, ms, store.TombstoneLife)
			}
		}
		wantKind(t, "a change of a revoked token", s.UpdateToken(t.Context(), row, store.Write{}), gateway.KindNotFound)
		wantKind(t, "its secret supplied again", s.CreateToken(t.Context(), supplied(testRow(2), 1), store.Write{}), gateway.KindConflict)
		if err := s.TouchTokens(t.Context(), []store.TokenTouch{{ID: row.ID, Uses: 1, At: day}}); err != nil {
			t.Error(err)
		}
		if got, _ := s.Token(t.Context(), row.ID); got.Usage.Uses != 0 {
			t.Error("a tombstone was touched")
		}
	})
}

func TestListTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, _ func(...any) any) {
		for _, n := range []int{3, 1, 2} {
			create(t, s, testRow(n))
		}
		if err := s.RevokeToken(t.Context(), gw, testRow(2).ID, day, store.Write{}); err != nil {
			t.Fatal(err)
		}
		rows, err := s.Tokens(t.Context(), gw)
		if err != nil || len(rows) != 2 || rows[0].ID != testRow(1).ID || rows[1].ID != testRow(3).ID {
			t.Errorf("listed %d rows, %v; want tokens 1 and 3", len(rows), err)
		}
		if rows, err := s.Tokens(t.Context(), "lc-b"); err != nil || len(rows) != 0 {
			t.Errorf("another gateway lists %d rows, %v", len(rows), err)
		}
	})
}

func TestTouchTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, _ func(...any) any) {
		row := create(t, s, testRow(1))
		late := store.TokenTouch{ID: row.ID, Uses: 3, At: day.Add(time.Minute), Address: "192.0.2.1", Agent: "airflow/3", PreviousAt: day}
		early := store.TokenTouch{ID: row.ID, Uses: 2, At: day, Address: "192.0.2.2", Agent: "curl/8"} // from another instance
		gone := store.TokenTouch{ID: testRow(9).ID, Uses: 1, At: day}
		if err := s.TouchTokens(t.Context(), []store.TokenTouch{late, early, gone}); err != nil {
			t.Fatal(err)
		}
		got, err := s.Token(t.Context(), row.ID)
		want := store.TokenUsage{Uses: 5, LastUsedAt: late.At, LastAddress: "192.0.2.1", LastAgent: "airflow/3", PreviousUsedAt: day}
		if err != nil || got.Usage != want || got.Revision != 1 {
			t.Errorf("usage %+v at revision %d, %v; want %+v at 1", got.Usage, got.Revision, err, want)
		}
		if _, err := s.Token(t.Context(), gone.ID); gateway.KindOf(err) != gateway.KindNotFound {
			t.Errorf("touching made a token: %v", err)
		}
	})
}

func TestChangesToTokensArePublished(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, _ func(...any) any) {
		events := watch(t, s)
		next(t, events, store.Event{Topic: store.TopicResync})
		row := create(t, s, testRow(1))
		told := func() {
			t.Helper()
			next(t, events, store.Event{Topic: store.TopicToken, ID: row.ID})
			next(t, events, store.Event{Topic: store.TopicTokens, ID: gw})
		}
		told()
		if err := s.UpdateToken(t.Context(), row, store.Write{}); err != nil {
			t.Fatal(err)
		}
		told()
		if err := s.RevokeToken(t.Context(), gw, row.ID, day, store.Write{}); err != nil {
			t.Fatal(err)
		}
		told()
	})
}

// TestFullRedis checks that a Redis without memory to spare still takes access
// away, and refuses new tokens as a passing trouble.
func TestFullRedis(t *testing.T) {
	t.Parallel()
	s, srv := storetest.Real(t)
	doomed, bystander := create(t, s, testRow(1)), create(t, s, testRow(2))
	srv.MustDo("CONFIG", "SET", "maxmemory", "1")
	wantKind(t, "creating", s.CreateToken(t.Context(), testRow(3), store.Write{}), gateway.KindUnavailable)
	bystander.Disabled = true
	if err := s.UpdateToken(t.Context(), bystander, store.Write{}); err != nil {
		t.Errorf("disabling: %v", err)
	}
	if err := s.RevokeToken(t.Context(), gw, doomed.ID, day, store.Write{}); err != nil {
		t.Errorf("revoking: %v", err)
	}
	if got, err := s.Token(t.Context(), doomed.ID); err != nil || got.RevokedAt.IsZero() {
		t.Errorf("revoked token reads as %+v, %v", got, err)
	}
}

// TestReadOnlyRedis checks a primary that has become a replica.
func TestReadOnlyRedis(t *testing.T) {
	t.Parallel()
	s, srv := storetest.Real(t)
	row := create(t, s, testRow(1))
	srv.MustDo("REPLICAOF", "127.0.0.1", "1")
	if _, err := s.Token(t.Context(), row.ID); err != nil {
		t.Errorf("reading: %v", err)
	}
	wantKind(t, "creating", s.CreateToken(t.Context(), testRow(2), store.Write{}), gateway.KindUnavailable)
	wantKind(t, "revoking", s.RevokeToken(t.Context(), gw, row.ID, day, store.Write{}), gateway.KindUnavailable)
	srv.MustDo("CONFIG", "SET", "replica-serve-stale-data", "no")
	_, err := s.Token(t.Context(), row.ID)
	wantKind(t, "reading where stale data is not served", err, gateway.KindUnavailable)
	srv.MustDo("REPLICAOF", "NO", "ONE")
	if err := s.RevokeToken(t.Context(), gw, row.ID, day, store.Write{}); err != nil {
		t.Errorf("revoking at a primary again: %v", err)
	}
}

// TestLoadingRedis checks a server that has just started again.
func TestLoadingRedis(t *testing.T) {
	t.Parallel()
	s, srv := storetest.Real(t)
	row := create(t, s, testRow(1))
	srv.MustDo("EVAL", "for i = 1, 3000 do redis.call('SET', 'filler:' .. i, i) end return 1", 0)
	srv.MustDo("SAVE")
	srv.Kill()
	srv.RestartLoading()
	_, err := s.Token(t.Context(), row.ID)
	wantKind(t, "reading", err, gateway.KindUnavailable)
	if !strings.Contains(err.Error(), "LOADING") {
		t.Errorf("the server was not loading: %v", err)
	}
	err = store.Retry(t.Context(), 20*time.Second, func(ctx context.Context) error {
		_, err := s.Token(ctx, row.ID)
		return err
	})
	if err != nil {
		t.Errorf("after loading: %v", err)
	}
}

// TestRevocationIsConfirmed checks that a revocation is reported only once a
// replica has it, and that the lack of replicas does not keep it from happening.
func TestRevocationIsConfirmed(t *testing.T) {
	t.Parallel()
	primary := storetest.StartServer(t)
	s := storetest.Open(t, store.Options{Addrs: []string{primary.Addr()}, Confirm: 1})
	alone := create(t, s, testRow(1))
	if err := s.RevokeToken(t.Context(), gw, alone.ID, day, store.Write{}); err != nil {
		t.Errorf("with no replica: %v", err)
	}
	replica := storetest.StartReplica(t, primary)
	row := create(t, s, testRow(2))
	replica.Stop()
	wantKind(t, "with a replica that does not answer", s.RevokeToken(t.Context(), gw, row.ID, day, store.Write{}), gateway.KindUnavailable)
	replica.Cont()
	err := store.Retry(t.Context(), 5*time.Second, func(ctx context.Context) error { return s.RevokeToken(ctx, gw, row.ID, day, store.Write{}) })
	if err != nil {
		t.Errorf("again, with a replica that answers: %v", err)
	}
	if v := replica.MustDo("HEXISTS", "livygw:token:"+row.ID, "revoked"); v != int64(1) {
		t.Error("the replica does not have the revocation")
	}
}

// TestCluster checks that scripts and lists work in a Redis Cluster, where all
// keys of a script must share a slot.
func TestCluster(t *testing.T) {
	t.Parallel()
	srv := storetest.StartServer(t, "--cluster-enabled", "yes")
	srv.MustDo("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
	srv.AwaitReply("CLUSTER INFO", "cluster_state:ok")
	s := storetest.Open(t, store.Options{URL: "redis+cluster://" + srv.Addr(), Timeout: storetest.Patience})
	events := watch(t, s)
	next(t, events, store.Event{Topic: store.TopicResync})
	row := create(t, s, supplied(testRow(1), 1))
	next(t, events, store.Event{Topic: store.TopicToken, ID: row.ID})
	if _, err := s.TokenBySecret(t.Context(), testSum(1)); err != nil {
		t.Error(err)
	}
	if rows, err := s.Tokens(t.Context(), gw); err != nil || len(rows) != 1 {
		t.Errorf("listed %d, %v", len(rows), err)
	}
	if err := s.TouchTokens(t.Context(), []store.TokenTouch{{ID: row.ID, Uses: 1, At: day}}); err != nil {
		t.Error(err)
	}
	if err := s.RevokeToken(t.Context(), gw, row.ID, day, store.Write{}); err != nil {
		t.Error(err)
	}
}

// A stored token bears an address range that this version cannot read: it must not be
// read as a token without ranges.
func TestUnreadableRange(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, do func(...any) any) {
		row := create(t, s, testRow(1))
		doc, _ := do("HGET", "livygw:token:"+row.ID, "doc").(string)
		do("HSET", "livygw:token:"+row.ID, "doc", strings.Replace(doc, "10.0.0.0/8", "host.example", 1))
		if token, err := s.Token(t.Context(), row.ID); gateway.KindOf(err) != gateway.KindInternal {
			t.Errorf("%+v, %v", token, err)
		}
	})
}

// TestRevokedTokensAreListed for as long as their tombstones are there.
func TestRevokedTokensAreListed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, do func(args ...any) any) {
		now := time.Now()
		for n, at := range []time.Time{now.Add(-store.TombstoneLife - time.Hour), now.Add(-time.Hour), now} {
			row := create(t, s, testRow(n))
			if err := s.RevokeToken(t.Context(), gw, row.ID, at, store.Write{}); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := s.RevokedTokens(t.Context(), gw)
		if err != nil || len(rows) != 2 || rows[0].ID != testRow(1).ID || rows[0].RevokedAt.IsZero() {
			t.Errorf("%v, %v", rows, err)
		}
		if ttl, _ := do("PTTL", "livygw:tokens-revoked:"+gw).(int64); ttl <= 0 || ttl > store.TombstoneLife.Milliseconds() {
			t.Errorf("the list ends in %d ms", ttl)
		}
	})
}
