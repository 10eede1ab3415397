package tokens_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestABlipIsWaitedFor has Redis away for less than requests wait.
func TestABlipIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		_, secret := mustCreate(t, s, tokens.CreateRequest{})
		rows.fail(errAway)
		time.AfterFunc(2500*time.Millisecond, func() { rows.fail(nil) })
		var wg sync.WaitGroup
		for _, a := range []tokens.Attempt{get, post} {
			wg.Go(func() { want(t, a.Method, reason(t, s, gw, secret, a), "") })
		}
		wg.Wait()
		if s.Stats().CutOff {
			t.Error("a blip counts as being cut off")
		}
	})
}

func TestOutageFailsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		_, secret := mustCreate(t, s, tokens.CreateRequest{})
		rows.fail(errAway)
		for _, a := range []tokens.Attempt{get, post} { // never verified, so without grace
			start := time.Now()
			_, err := s.Verify(t.Context(), gw, secret, a)
			var e *tokens.Error
			if !errors.As(err, &e) || e.Reason != tokens.ReasonUnavailable || e.Kind != gateway.KindUnavailable || e.RetryAfter <= 0 {
				t.Errorf("%s: %+v, want unavailable with a time to retry", a.Method, err)
			}
			if took := time.Since(start); took < 2500*time.Millisecond || took > 3*time.Second {
				t.Errorf("%s: waited %s, want about 3 s", a.Method, took)
			}
		}
		rows.fail(gateway.Errorf(gateway.KindInternal, "WRONGTYPE"))
		want(t, "an error that is no outage", reason(t, s, gw, secret, get), tokens.ReasonUnavailable)
	})
}

func TestGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{Grace: time.Minute})
		_, secret := mustCreate(t, s, tokens.CreateRequest{Settings: tokens.Settings{ExpireDays: new(1)}})
		_, dying := mustCreate(t, s, tokens.CreateRequest{Settings: tokens.Settings{ExpireDays: new(1)}})
		time.Sleep(24*time.Hour - 10*time.Second)
		want(t, "before the outage", reason(t, s, gw, secret, get), "")
		want(t, "before the outage", reason(t, s, gw, dying, get), "")
		verified := time.Now()
		rows.fail(errAway)
		time.Sleep(time.Second)

		start := time.Now()
		want(t, "the first GET", reason(t, s, gw, secret, get), "")
		if took := time.Since(start); took < 2*time.Second {
			t.Errorf("the first GET went on after %s: a blip was not waited for", took)
		}
		start = time.Now()
		head := tokens.Attempt{Method: "HEAD"}
		want(t, "HEAD", reason(t, s, gw, secret, head), "")
		if took := time.Since(start); took > 0 {
			t.Errorf("a poll during an outage waited %s", took)
		}
		want(t, "POST", reason(t, s, gw, secret, post), tokens.ReasonUnavailable)
		want(t, "at another gateway", reason(t, s, "lc-b", secret, get), tokens.ReasonGateway)
		time.Sleep(time.Until(verified.Add(11 * time.Second)))
		want(t, "a token that expires meanwhile", reason(t, s, gw, dying, get), tokens.ReasonExpired)
		if st := s.Stats(); st.Grace == 0 || !st.CutOff {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestGraceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{Grace: time.Minute})
		_, secret := mustCreate(t, s, tokens.CreateRequest{})
		want(t, "before the outage", reason(t, s, gw, secret, get), "")
		verified := time.Now()
		rows.fail(errAway)
		time.Sleep(50 * time.Second)
		want(t, "within the grace", reason(t, s, gw, secret, get), "")
		time.Sleep(time.Until(verified.Add(time.Minute)) - time.Millisecond)
		want(t, "at its end", reason(t, s, gw, secret, get), "")
		time.Sleep(time.Millisecond)
		want(t, "after it", reason(t, s, gw, secret, get), tokens.ReasonUnavailable)
	})
}

func TestGraceCanBeTurnedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{Grace: -1})
		_, secret := mustCreate(t, s, tokens.CreateRequest{})
		want(t, "before the outage", reason(t, s, gw, secret, get), "")
		rows.fail(errAway)
		time.Sleep(time.Second)
		want(t, "without grace", reason(t, s, gw, secret, get), tokens.ReasonUnavailable)
	})
}

// TestGraceEndsWithTheOutage: an instance that Redis answers again must not go
// on with what it knew.
func TestGraceEndsWithTheOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		token, secret := mustCreate(t, s, tokens.CreateRequest{})
		want(t, "before the outage", reason(t, s, gw, secret, get), "")
		rows.fail(errAway)
		time.Sleep(5 * time.Second)
		want(t, "in it", reason(t, s, gw, secret, get), "")
		rows.fail(nil)
		_ = rows.RevokeToken(t.Context(), gw, token.ID, time.Now(), store.Write{})
		want(t, "after it", reason(t, s, gw, secret, get), tokens.ReasonRevoked)
		if s.Stats().CutOff {
			t.Error("still counts as cut off")
		}
	})
}

// TestNewsDuringAnOutage: what is known to have changed has no grace.
func TestNewsDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		token, secret := mustCreate(t, s, tokens.CreateRequest{})
		want(t, "before the outage", reason(t, s, gw, secret, get), "")
		rows.fail(errAway)
		if err := s.Revoke(t.Context(), gateway.Order{}, gw, token.ID); gateway.KindOf(err) != gateway.KindUnavailable {
			t.Errorf("revoking without Redis: %v, want unavailable", err)
		}
		want(t, "after somebody tried to revoke it here", reason(t, s, gw, secret, get), tokens.ReasonUnavailable)
	})
}

// TestWaitersAreBounded: of more requests than may wait, the rest is answered
// at once.
func TestWaitersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{MaxWaiters: 3})
		var secrets []string
		for range 10 {
			_, secret := mustCreate(t, s, tokens.CreateRequest{})
			secrets = append(secrets, secret)
		}
		rows.fail(errAway)
		var wg sync.WaitGroup
		var mu sync.Mutex
		quick := 0
		start := time.Now()
		for _, secret := range secrets {
			wg.Go(func() {
				want(t, "in an outage", reason(t, s, gw, secret, post), tokens.ReasonUnavailable)
				if time.Since(start) == 0 {
					mu.Lock()
					quick++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if quick != 7 {
			t.Errorf("%d of 10 were answered at once, want 7", quick)
		}
		if n := s.Stats().Waiting; n != 0 {
			t.Errorf("%d still count as waiting", n)
		}
	})
}

// TestClientsThatLeave: a request whose client is gone waits no longer, and
// takes nothing from the others that share its question.
func TestClientsThatLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		_, secret := mustCreate(t, s, tokens.CreateRequest{})
		rows.dawdle(100 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			start := time.Now()
			_, err := s.Verify(ctx, gw, secret, get)
			want(t, "the one that leaves", reasonOf(t, err), tokens.ReasonUnavailable)
			if took := time.Since(start); took != 10*time.Millisecond {
				t.Errorf("it was held for %s", took)
			}
		})
		wg.Go(func() { want(t, "the one that stays", reason(t, s, gw, secret, get), "") })
		wg.Wait()
		if n := rows.readCount(); n != 1 {
			t.Errorf("Redis was asked %d times", n)
		}
	})
}
