package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestRepliesThatMeanAway checks the kind of each error reply that says "not
// now" or "not me": a caller must take none of them for "there is no such token".
func TestRepliesThatMeanAway(t *testing.T) {
	t.Parallel()
	s, mini := storetest.Mini(t)
	for reply, want := range map[string]gateway.Kind{
		"LOADING Redis is loading the dataset in memory":           gateway.KindUnavailable,
		"READONLY You can't write against a read only replica.":    gateway.KindUnavailable,
		"NOAUTH Authentication required.":                          gateway.KindUnavailable,
		"WRONGPASS invalid username-password pair":                 gateway.KindUnavailable,
		"NOPERM this user has no permissions":                      gateway.KindUnavailable,
		"OOM command not allowed when used memory > 'maxmemory'.":  gateway.KindUnavailable,
		"CLUSTERDOWN The cluster is down":                          gateway.KindUnavailable,
		"MASTERDOWN Link with MASTER is down":                      gateway.KindUnavailable,
		"MISCONF Redis is configured to save RDB snapshots":        gateway.KindUnavailable,
		"TRYAGAIN Multiple keys request during rehashing of slot":  gateway.KindUnavailable,
		"NOREPLICAS Not enough good replicas to write.":            gateway.KindUnavailable,
		"BUSY Redis is busy running a script.":                     gateway.KindUnavailable,
		"ERR max number of clients reached":                        gateway.KindUnavailable,
		"WRONGTYPE Operation against a key holding the wrong kind": gateway.KindInternal,
		"ERR unknown command":                                      gateway.KindInternal,
	} {
		mini.SetError(reply)
		_, err := s.Token(t.Context(), "lctk-aaaaaaaaaaaaaaaa")
		if err == nil || gateway.KindOf(err) != want {
			t.Errorf("%s: %v has kind %v, want %v", reply, err, gateway.KindOf(err), want)
		}
	}
	mini.SetError("")
	if _, err := s.Token(t.Context(), "lctk-aaaaaaaaaaaaaaaa"); gateway.KindOf(err) != gateway.KindNotFound {
		t.Errorf("a token that is not there: %v, want not found", err)
	}
}

// TestWaitsAreBounded measures how long one call takes when Redis does not
// answer. The client's own defaults take 1.7 s.
func TestWaitsAreBounded(t *testing.T) {
	t.Parallel()
	srv := storetest.StartServer(t)
	relay := storetest.StartRelay(t, srv.Addr())
	s := storetest.Open(t, store.Options{Addrs: []string{relay.Addr()}})
	for name, cut := range map[string]func(){"refusing": relay.Refuse, "silent": relay.Swallow} {
		cut()
		start := time.Now()
		_, err := s.Token(t.Context(), "lctk-aaaaaaaaaaaaaaaa")
		took := time.Since(start)
		if gateway.KindOf(err) != gateway.KindUnavailable {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
		if took > 1500*time.Millisecond {
			t.Errorf("%s: took %s", name, took)
		}
		t.Logf("%s: %s (%v)", name, took.Round(time.Millisecond), err)
		relay.Pass()
		if err := store.Retry(t.Context(), 20*time.Second, s.Ping); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
	srv.Kill()
	start := time.Now()
	if err := s.Ping(t.Context()); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("killed: %v, want unavailable", err)
	}
	t.Logf("killed: %s", time.Since(start).Round(time.Millisecond))
}

// TestOpenSendsNothing lets a configuration be checked without a Redis.
func TestOpenSendsNothing(t *testing.T) {
	t.Parallel()
	s, err := store.Open(store.Options{URL: "redis://:s3cr3t@127.0.0.1:1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Migrate(t.Context())
	if gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("Migrate without Redis: %v, want unavailable", err)
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("the password shows: %v", err)
	}
}

// TestPasswords checks that a Redis that does not let us in is one that is
// away, and that the error does not show what we tried.
func TestPasswords(t *testing.T) {
	t.Parallel()
	srv := storetest.StartServer(t)
	srv.MustDo("CONFIG", "SET", "requirepass", "right")
	for _, url := range []string{"redis://" + srv.Addr(), "redis://:s3cr3t@" + srv.Addr(), "redis://ann:s3cr3t@" + srv.Addr()} {
		s, err := store.Open(store.Options{URL: url}, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Ping(t.Context())
		if gateway.KindOf(err) != gateway.KindUnavailable || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v (kind %v)", url, err, gateway.KindOf(err))
		}
		_ = s.Close()
	}
	storetest.Open(t, store.Options{URL: "redis://:right@" + srv.Addr()})
}

func TestRetry(t *testing.T) {
	t.Parallel()
	away := gateway.Errorf(gateway.KindUnavailable, "away")
	calls := 0
	err := store.Retry(t.Context(), time.Second, func(context.Context) error {
		if calls++; calls < 3 {
			return away
		}
		return nil
	})
	if err != nil || calls != 3 {
		t.Errorf("%d calls, %v; want 3 and success", calls, err)
	}
	calls = 0
	wrong := gateway.Errorf(gateway.KindNotFound, "gone")
	err = store.Retry(t.Context(), time.Second, func(context.Context) error { calls++; return wrong })
	if err != error(wrong) || calls != 1 {
		t.Errorf("%d calls, %v; want 1 and the error", calls, err)
	}
	err = store.Retry(t.Context(), 50*time.Millisecond, func(context.Context) error { return away })
	if err != error(away) {
		t.Errorf("%v, want the last error", err)
	}
}
