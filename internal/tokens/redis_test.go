package tokens_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestFailuresOfRedis puts a real Redis into every failure that lasts longer
// than requests wait, and looks at what each kind of request gets: never 401
// for a token that cannot be checked, and never an open door.
func TestFailuresOfRedis(t *testing.T) {
	long(t)
	t.Parallel()
	const good, away = tokens.Reason(""), tokens.ReasonUnavailable
	failures := map[string]struct {
		fail, mend func(*storetest.Server)
		// What a token verified before gets, what one gets that was not, and what
		// one gets that does not exist.
		get, post, first, unknown tokens.Reason
	}{
		"killed": {
			fail: (*storetest.Server).Kill, mend: (*storetest.Server).Restart,
			get: good, post: away, first: away, unknown: away,
		},
		"halted": {
			fail: (*storetest.Server).Stop, mend: (*storetest.Server).Cont,
			get: good, post: away, first: away, unknown: away,
		},
		"loading": {
			fail: func(s *storetest.Server) {
				s.MustDo("EVAL", "for i = 1, 6000 do redis.call('SET', 'filler:' .. i, i) end return 1", 0)
				s.MustDo("SAVE")
				s.Kill()
				s.RestartLoading()
			},
			mend: func(s *storetest.Server) { s.AwaitReply("PING", "PONG") },
			get:  good, post: away, first: away, unknown: away,
		},
		"a replica that has lost its primary": {
			fail: func(s *storetest.Server) {
				s.MustDo("CONFIG", "SET", "replica-serve-stale-data", "no")
				s.MustDo("REPLICAOF", "127.0.0.1", "1")
			},
			mend: func(s *storetest.Server) { s.MustDo("REPLICAOF", "NO", "ONE") },
			get:  good, post: away, first: away, unknown: away,
		},
		"another password": {
			fail: func(s *storetest.Server) { s.SetPassword("new") },
			mend: func(s *storetest.Server) { s.SetPassword("") },
			get:  good, post: away, first: away, unknown: away,
		},
		"emptied": {
			fail: func(s *storetest.Server) {
				s.MustDo("SWAPDB", 0, 1)
			},
			mend: func(s *storetest.Server) { s.MustDo("SWAPDB", 0, 1) },
			get:  good, post: away, first: away, unknown: away,
		},
		"read-only": {
			fail: func(s *storetest.Server) { s.MustDo("REPLICAOF", "127.0.0.1", "1") },
			mend: func(s *storetest.Server) { s.MustDo("REPLICAOF", "NO", "ONE") },
			get:  good, post: good, first: good, unknown: tokens.ReasonUnknown,
		},
		"full": {
			fail: func(s *storetest.Server) { s.MustDo("CONFIG", "SET", "maxmemory", "1") },
			mend: func(s *storetest.Server) { s.MustDo("CONFIG", "SET", "maxmemory", "0") },
			get:  good, post: good, first: good, unknown: tokens.ReasonUnknown,
		},
	}
	const patience = time.Second
	for name, f := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := storetest.StartServer(t)
			st := storetest.Open(t, store.Options{Addrs: []string{srv.Addr()}})
			s := tokens.New(st, tokens.Options{WaitBudget: patience}, nil)
			run(t, s)
			eventually.True(t, 30*time.Second, "a subscription", func() bool { return s.Stats().Resyncs > 0 })
			_, used := mustCreate(t, s, tokens.CreateRequest{})
			_, unused := mustCreate(t, s, tokens.CreateRequest{})
			eventually.True(t, 30*time.Second, "news of both", func() bool { return s.Stats().Invalidations == 2 }) // or it would make it forget
			want(t, "before", reason(t, s, gw, used, post), "")
			f.fail(srv)
			time.Sleep(time.Second) // nothing is fresh any more

			var wg sync.WaitGroup
			for _, c := range []struct {
				what, secret string
				a            tokens.Attempt
				want         tokens.Reason
			}{
				{"a GET", used, get, f.get},
				{"a POST", used, post, f.post},
				{"a GET with a token that was not used before", unused, get, f.first},
				{"a GET with a token that does not exist", tokens.Forge(used), get, f.unknown},
				{"a GET with a chosen secret that does not exist", "chosen-by-nobody", get, f.unknown},
			} {
				wg.Go(func() {
					start := time.Now()
					_, err := s.Verify(context.Background(), gw, c.secret, c.a)
					want(t, c.what, reasonOf(t, err), c.want)
					// The last question may begin when patience is about to end.
					if took := time.Since(start); took > patience+3*time.Second {
						t.Errorf("%s was answered after %s", c.what, took)
					}
					var e *tokens.Error
					if errors.As(err, &e) && e.Reason == away && (e.RetryAfter <= 0 || e.Kind != gateway.KindUnavailable) {
						t.Errorf("%s: %+v", c.what, e)
					}
				})
			}
			wg.Wait()
			want(t, "a malformed one, which needs no Redis", reason(t, s, gw, "lgw_no", get), tokens.ReasonMalformed)
			if name != "emptied" { // to which creating is possible
				_, _, err := s.Create(t.Context(), tokens.CreateRequest{GatewayID: gw, Settings: tokens.Settings{Name: new("n")}})
				if gateway.KindOf(err) != gateway.KindUnavailable {
					t.Errorf("creating a token: %v, want unavailable", err)
				}
			}
			f.mend(srv)
			patiently(t, "verifying again", func(ctx context.Context) error {
				_, err := s.Verify(ctx, gw, unused, post)
				return err
			})
			want(t, "the other afterwards", reason(t, s, gw, used, post), "")
			want(t, "none afterwards", reason(t, s, gw, tokens.Forge(used), get), tokens.ReasonUnknown)
		})
	}
}

// TestUseReachesRedis follows a use through a real Redis into the record.
func TestUseReachesRedis(t *testing.T) {
	t.Parallel()
	srv := storetest.StartServer(t)
	i := newInstance(t, store.Options{Addrs: []string{srv.Addr()}})
	token, secret := mustCreate(t, i.Service, tokens.CreateRequest{})
	want(t, "good", reason(t, i.Service, gw, secret, get), "")
	eventually.True(t, 30*time.Second, "the record of the use", func() bool {
		got, err := i.Get(t.Context(), gw, token.ID)
		return err == nil && got.Uses == 1 && got.LastAddress == "192.0.2.7" && got.LastAgent == "test/1" && time.Since(got.LastUsedAt) < 6*time.Second
	})
}
