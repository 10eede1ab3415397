// Package storetest gives tests a store: on miniredis inside the process, or
// on a real redis-server that the test can kill, stop and bring back.
package storetest

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/livygateway/livygateway/internal/store"
)

// Patience is for Options.Timeout in tests that are not about how long a Redis is
// waited for: a busy machine can keep any answer back for longer than the default.
const Patience = 20 * time.Second

// Mini opens a patient store on a miniredis of its own. Expiry does not run by
// itself there (see miniredis.FastForward).
func Mini(t testing.TB) (*store.Store, *miniredis.Miniredis) {
	t.Helper()
	m := miniredis.RunT(t)
	return Open(t, store.Options{Addrs: []string{m.Addr()}, Timeout: Patience}), m
}

// Open opens a store with the given options, sets its schema up and closes it
// with the test. Several may share one Redis, as several instances do. Without a
// Timeout the store is as impatient as in production; see Patience.
func Open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	// A busy machine can be late with the answer of a real Redis.
	if err := store.Retry(context.Background(), 5*time.Second, s.Migrate); err != nil {
		t.Fatal(err)
	}
	return s
}

// Needs skips the test, saying what is missing, or fails it when the
// environment variable REQUIRE (a comma separated list) names it.
func Needs(t testing.TB, what, missing string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), what) {
		t.Fatalf("REQUIRE names %s, but %s", what, missing)
	}
	t.Skipf("needs %s: %s", what, missing)
}
