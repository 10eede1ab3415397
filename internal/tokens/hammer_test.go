package tokens_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// instance is one of several instances that share a Redis.
type instance struct {
	*tokens.Service
	store *store.Store
}

// newInstance runs a service on a store of its own.
func newInstance(t *testing.T, o store.Options) *instance {
	t.Helper()
	s := storetest.Open(t, o)
	i := &instance{Service: tokens.New(s, tokens.Options{FlushEvery: 200 * time.Millisecond}, nil), store: s}
	run(t, i.Service)
	return i
}

// outcome is what came of one request.
type outcome struct {
	instance int
	method   string
	start    time.Time
	took     time.Duration
	reason   tokens.Reason // "" is success
}

// hammer has clients send requests with a secret through all instances, GET
// and POST in turn, until stop is called, which returns what came of them.
func hammer(t *testing.T, clients int, secret string, instances ...*instance) (stop func() []outcome) {
	var done atomic.Bool
	var wg sync.WaitGroup
	all := make([][]outcome, clients)
	for c := range clients {
		wg.Go(func() {
			for n := c; !done.Load(); n++ {
				o := outcome{instance: n % len(instances), method: []string{"GET", "POST"}[n/len(instances)%2], start: time.Now()}
				a := tokens.Attempt{Method: o.method, RemoteAddr: fmt.Sprintf("192.0.2.%d:1", c), UserAgent: "hammer"}
				_, err := instances[o.instance].Verify(context.Background(), gw, secret, a)
				o.reason, o.took = reasonOf(t, err), time.Since(o.start)
				all[c] = append(all[c], o)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return func() []outcome {
		done.Store(true)
		wg.Wait()
		var flat []outcome
		for _, outcomes := range all {
			flat = append(flat, outcomes...)
		}
		return flat
	}
}

// long skips tests that take seconds, for go test -short.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("long: takes seconds of real time")
	}
}

// patiently repeats an operation while Redis is away, and fails the test after
// 15 seconds.
func patiently(t *testing.T, what string, fn func(context.Context) error) {
	t.Helper()
	if err := store.Retry(t.Context(), 15*time.Second, fn); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// count tells how many outcomes there are of each reason.
func count(outcomes []outcome, keep func(outcome) bool) map[tokens.Reason]int {
	n := map[tokens.Reason]int{}
	for _, o := range outcomes {
		if keep == nil || keep(o) {
			n[o.reason]++
		}
	}
	return n
}

// checkFelt checks the promise: of the requests that start more than a second
// after the revocation returned, none succeeds, and none but for being revoked
// or for Redis being away is refused.
func checkFelt(t *testing.T, outcomes []outcome, returned time.Time, which func(outcome) bool) {
	t.Helper()
	before := count(outcomes, func(o outcome) bool { return which(o) && o.start.Before(returned) })
	after := count(outcomes, func(o outcome) bool { return which(o) && o.start.After(returned.Add(time.Second)) })
	var last time.Duration
	for _, o := range outcomes {
		if which(o) && o.reason == "" {
			last = max(last, o.start.Sub(returned))
		}
	}
	t.Logf("before: %v; more than a second after: %v; the last that succeeded started %s after the revocation returned",
		before, after, last.Round(time.Millisecond))
	if before[""] == 0 || after[tokens.ReasonRevoked] == 0 {
		t.Errorf("nothing was shown: %d good before, %d refused after", before[""], after[tokens.ReasonRevoked])
	}
	if n := after[""]; n > 0 {
		t.Errorf("%d requests that started more than a second after the revocation succeeded", n)
	}
	for reason := range after {
		if reason != "" && reason != tokens.ReasonRevoked && reason != tokens.ReasonUnavailable {
			t.Errorf("refused as %s", reason)
		}
	}
}

// checkUnharmed checks that a token that is not revoked was never said to be
// bad, whatever Redis was doing.
func checkUnharmed(t *testing.T, outcomes []outcome) {
	t.Helper()
	n := count(outcomes, nil)
	t.Logf("another token meanwhile: %v", n)
	for reason := range n {
		if reason != "" && reason != tokens.ReasonUnavailable {
			t.Errorf("a good token was refused as %s %d times", reason, n[reason])
		}
	}
	for _, o := range outcomes {
		if o.took > 6*time.Second {
			t.Errorf("a %s waited %s", o.method, o.took)
		}
	}
}

func everyone(outcome) bool { return true }
