package tokens_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

var post = tokens.Attempt{Method: "POST", RemoteAddr: "192.0.2.7:4711"}

func want(t *testing.T, what string, got, want tokens.Reason) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestRevocationWithoutNews is the promise where nobody hears of a revocation:
// it is felt within a second because nothing is believed for longer.
func TestRevocationWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		token, secret := mustCreate(t, s, tokens.CreateRequest{})
		want(t, "good", reason(t, s, gw, secret, post), "")
		_ = rows.RevokeToken(t.Context(), gw, token.ID, time.Now(), store.Write{})
		want(t, "at once", reason(t, s, gw, secret, post), "") // the cache still believes
		time.Sleep(time.Second)
		want(t, "a second later", reason(t, s, gw, secret, post), tokens.ReasonRevoked)
	})
}

func TestRevocationWithNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		defer run(t, s)()
		synctest.Wait()
		token, secret := mustCreate(t, s, tokens.CreateRequest{})
		for name, event := range map[string]store.Event{
			"told of the token":              {Topic: store.TopicToken, ID: token.ID},
			"told that something was missed": {Topic: store.TopicResync},
		} {
			want(t, "good", reason(t, s, gw, secret, post), "")
			before := rows.readCount()
			want(t, "warm", reason(t, s, gw, secret, post), "")
			if rows.readCount() != before {
				t.Error("a warm verification asked Redis")
			}
			rows.tell(event)
			want(t, name, reason(t, s, gw, secret, post), "")
			if rows.readCount() != before+1 {
				t.Errorf("%s: Redis was asked %d times, want once", name, rows.readCount()-before)
			}
		}
		_ = rows.RevokeToken(t.Context(), gw, token.ID, time.Now(), store.Write{})
		rows.tell(store.Event{Topic: store.TopicToken, ID: token.ID})
		want(t, "revoked and told", reason(t, s, gw, secret, post), tokens.ReasonRevoked)
	})
}

// TestNewsOvertakesTheAnswer has a token revoked after Redis has read it and
// before the answer is here: the answer must not be kept.
func TestNewsOvertakesTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		defer run(t, s)()
		synctest.Wait()
		token, secret := mustCreate(t, s, tokens.CreateRequest{})
		rows.whenAnswered(func() {
			rows.whenAnswered(nil)
			_ = rows.RevokeToken(context.Background(), gw, token.ID, time.Now(), store.Write{})
			rows.tell(store.Event{Topic: store.TopicToken, ID: token.ID})
		})
		want(t, "a request under way", reason(t, s, gw, secret, post), "")
		want(t, "the next request", reason(t, s, gw, secret, post), tokens.ReasonRevoked)
	})
}

// TestLateAnswers has every answer take longer than it may be believed.
func TestLateAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		_, secret := mustCreate(t, s, tokens.CreateRequest{})
		late := 800 * time.Millisecond
		for name, dawdle := range map[string]func(){
			"Redis is slow":           func() { rows.dawdle(late) },
			"this process was halted": func() { rows.dawdle(0); rows.whenAnswered(func() { time.Sleep(late) }) },
		} {
			dawdle()
			start := time.Now()
			want(t, name, reason(t, s, gw, secret, post), tokens.ReasonUnavailable)
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("%s: gave up after %s", name, took)
			}
		}
	})
}

func TestOneQuestionForManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		_, secret := mustCreate(t, s, tokens.CreateRequest{})
		rows.dawdle(50 * time.Millisecond)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { want(t, "one of many", reason(t, s, gw, secret, get), "") })
		}
		wg.Wait()
		if n := rows.readCount(); n != 1 {
			t.Errorf("100 requests asked Redis %d times, want once", n)
		}
	})
}

func TestUnknownTokensAreRememberedForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		const secret = "a-secret-from-the-old-system"
		for range 5 {
			want(t, "unknown", reason(t, s, gw, secret, get), tokens.ReasonUnknown)
		}
		if n := rows.readCount(); n != 1 {
			t.Errorf("asked Redis %d times, want once", n)
		}
		time.Sleep(time.Second)
		want(t, "later", reason(t, s, gw, secret, get), tokens.ReasonUnknown)
		if n := rows.readCount(); n != 2 {
			t.Errorf("asked Redis %d times, want twice", n)
		}
		mustCreate(t, s, tokens.CreateRequest{Secret: secret})
		want(t, "as soon as it exists", reason(t, s, gw, secret, get), "")
	})
}

func TestMalformedTokensDoNotReachRedis(t *testing.T) {
	t.Parallel()
	s, rows := fake(tokens.Options{FailureBurst: -1})
	_, secret := mustCreate(t, s, tokens.CreateRequest{})
	last := secret[len(secret)-1:]
	other := "0"
	if last == other {
		other = "1"
	}
	for name, bad := range map[string]string{
		"too short":          "short",
		"too long":           strings.Repeat("x", tokens.MaxSuppliedLength+1),
		"with a space":       "a secret with some spaces",
		"not ASCII":          "gehe1mnis-übermäßig",
		"cut":                secret[:len(secret)-1],
		"continued":          secret + "0",
		"wrong checksum":     secret[:len(secret)-1] + other,
		"wrong in the id":    secret[:5] + flip(secret[5]) + secret[6:],
		"wrong in the depth": secret[:30] + flip(secret[30]) + secret[31:],
		"prefix alone":       "lgw_0123456789abcdef",
	} {
		want(t, name, reason(t, s, gw, bad, get), tokens.ReasonMalformed)
	}
	want(t, "none", reason(t, s, gw, "", get), tokens.ReasonMissing)
	if n := rows.readCount(); n != 0 {
		t.Errorf("Redis was asked %d times", n)
	}
}

func flip(c byte) string {
	if c == 'a' {
		return "b"
	}
	return "a"
}

// TestRightIDWrongSecret forges a secret with a true id and a good checksum.
func TestRightIDWrongSecret(t *testing.T) {
	t.Parallel()
	s, _ := fake(tokens.Options{})
	_, secret := mustCreate(t, s, tokens.CreateRequest{})
	forged := tokens.Forge(secret)
	want(t, "forged", reason(t, s, gw, forged, get), tokens.ReasonUnknown)
	want(t, "true", reason(t, s, gw, secret, get), "")
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := fake(tokens.Options{})
		_, secret := mustCreate(t, s, tokens.CreateRequest{Settings: tokens.Settings{ExpireDays: new(1)}})
		time.Sleep(24*time.Hour - 10*time.Millisecond)
		want(t, "in its last moment", reason(t, s, gw, secret, get), "")
		time.Sleep(20 * time.Millisecond) // the entry in the cache is still fresh
		want(t, "after it", reason(t, s, gw, secret, get), tokens.ReasonExpired)
	})
}

func TestOverlapAfterReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := fake(tokens.Options{})
		token, first := mustCreate(t, s, tokens.CreateRequest{})
		reset, second, err := s.Reset(t.Context(), gateway.Order{}, gw, token.ID, tokens.ResetRequest{OverlapHours: 48})
		if err != nil {
			t.Fatal(err)
		}
		if !reset.PreviousUntil.Equal(time.Now().Add(48 * time.Hour)) {
			t.Errorf("the old secret is said to work until %s", reset.PreviousUntil)
		}
		time.Sleep(47 * time.Hour)
		want(t, "old secret in the overlap", reason(t, s, gw, first, get), "")
		want(t, "new secret", reason(t, s, gw, second, get), "")
		time.Sleep(2 * time.Hour)
		want(t, "old secret after the overlap", reason(t, s, gw, first, get), tokens.ReasonExpired)
		want(t, "new secret", reason(t, s, gw, second, get), "")

		_, third, err := s.Reset(t.Context(), gateway.Order{}, gw, token.ID, tokens.ResetRequest{OverlapHours: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Reset(t.Context(), gateway.Order{}, gw, token.ID, tokens.ResetRequest{OverlapHours: 1}); err != nil {
			t.Fatal(err)
		}
		want(t, "the secret before the last", reason(t, s, gw, third, get), "")
		want(t, "the one before that", reason(t, s, gw, second, get), tokens.ReasonUnknown)
	})
}

func TestAddressRanges(t *testing.T) {
	t.Parallel()
	s, _ := fake(tokens.Options{})
	_, secret := mustCreate(t, s, tokens.CreateRequest{Settings: tokens.Settings{CIDRs: new([]string{"10.1.0.0/16", "192.0.2.7", "2001:db8::/32"})}})
	for remote, wanted := range map[string]tokens.Reason{
		"10.1.2.3:4711":            "",
		"10.1.2.3":                 "",
		"192.0.2.7:1":              "",
		"[::ffff:10.1.2.3]:4711":   "",
		"[2001:db8::1]:4711":       "",
		"2001:db8::1":              "",
		"10.2.0.1:4711":            tokens.ReasonAddress,
		"192.0.2.8:1":              tokens.ReasonAddress,
		"[2001:db9::1]:4711":       tokens.ReasonAddress,
		"":                         tokens.ReasonAddress,
		"unix":                     tokens.ReasonAddress,
		"10.1.2.3.evil.example:80": tokens.ReasonAddress,
	} {
		want(t, remote, reason(t, s, gw, secret, tokens.Attempt{Method: "GET", RemoteAddr: remote}), wanted)
	}
}

func TestRequestsPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := fake(tokens.Options{})
		token, secret := mustCreate(t, s, tokens.CreateRequest{Settings: tokens.Settings{RequestsPerSecond: new(0.5)}})
		want(t, "the first", reason(t, s, gw, secret, get), "")
		_, err := s.Verify(t.Context(), gw, secret, get)
		want(t, "the second", reasonOf(t, err), tokens.ReasonRate)
		var e *tokens.Error
		if errors.As(err, &e) && (e.RetryAfter != 2*time.Second || e.Kind != gateway.KindLimited || e.TokenID != token.ID) {
			t.Errorf("got %+v", e)
		}
		time.Sleep(2 * time.Second)
		want(t, "after the time it was told", reason(t, s, gw, secret, get), "")
		// A change of something else must not refill the bucket.
		if _, err := s.Rename(t.Context(), gateway.Order{}, gw, token.ID, "renamed"); err != nil {
			t.Fatal(err)
		}
		want(t, "after a rename", reason(t, s, gw, secret, get), tokens.ReasonRate)
		if _, err := s.Update(t.Context(), gateway.Order{}, gw, token.ID, tokens.Settings{RequestsPerSecond: new(float64)}); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			want(t, "without the limit", reason(t, s, gw, secret, get), "")
		}
	})
}

// TestWrongTokensAreLimited has one address send wrong tokens without end.
// Tokens that are good, and other addresses, must not suffer from it.
func TestWrongTokensAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{FailureBurst: 10, FailuresPerSecond: 1})
		_, ours := mustCreate(t, s, tokens.CreateRequest{})
		_, known := mustCreate(t, s, tokens.CreateRequest{Secret: "chosen-by-a-caller-1"})
		_, fresh := mustCreate(t, s, tokens.CreateRequest{Secret: "chosen-by-a-caller-2"})
		want(t, "a supplied secret", reason(t, s, gw, known, get), "")
		var got []tokens.Reason
		for i := range 15 {
			got = append(got, reason(t, s, gw, "guess-guess-guess-"+string(rune('a'+i)), get))
		}
		for i, r := range got {
			wanted := tokens.ReasonUnknown
			if i >= 10 {
				wanted = tokens.ReasonFailures
			}
			want(t, "guess", r, wanted)
		}
		before := rows.readCount()
		want(t, "one more guess", reason(t, s, gw, "guess-guess-guess-zz", get), tokens.ReasonFailures)
		if rows.readCount() != before {
			t.Error("a guess beyond the limit was looked up: guessing is not slowed down")
		}
		want(t, "a malformed one", reason(t, s, gw, "short", get), tokens.ReasonFailures)
		want(t, "a secret of ours that was never seen", reason(t, s, gw, ours, get), "")
		time.Sleep(800 * time.Millisecond) // no whole failure is forgiven yet
		want(t, "a supplied secret that was good before", reason(t, s, gw, known, get), "")
		want(t, "a supplied secret never seen here", reason(t, s, gw, fresh, get), tokens.ReasonFailures)
		elsewhere := tokens.Attempt{Method: "GET", RemoteAddr: "192.0.2.8:1"}
		want(t, "from another address", reason(t, s, gw, fresh, elsewhere), "")
		time.Sleep(2 * time.Second)
		want(t, "a guess after a while", reason(t, s, gw, "guess-guess-guess-zzz", get), tokens.ReasonUnknown)
	})
}

func TestIPv6NeighboursShareTheirFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := fake(tokens.Options{FailureBurst: 1})
		from := func(addr string) tokens.Attempt { return tokens.Attempt{Method: "GET", RemoteAddr: addr} }
		want(t, "first", reason(t, s, gw, "short", from("[2001:db8::1]:1")), tokens.ReasonMalformed)
		want(t, "neighbour", reason(t, s, gw, "short", from("[2001:db8::2]:1")), tokens.ReasonFailures)
		want(t, "stranger", reason(t, s, gw, "short", from("[2001:db8:0:1::2]:1")), tokens.ReasonMalformed)
	})
}

func TestCachesAreBounded(t *testing.T) {
	t.Parallel()
	s, _ := fake(tokens.Options{CacheSize: 50, FailureBurst: -1})
	var secrets []string
	for range 120 {
		_, secret := mustCreate(t, s, tokens.CreateRequest{})
		secrets = append(secrets, secret)
		want(t, "good", reason(t, s, gw, secret, get), "")
		want(t, "unknown", reason(t, s, gw, tokens.Forge(secret), get), tokens.ReasonUnknown)
	}
	if n := s.Stats().Entries; n != 50 {
		t.Errorf("%d entries, want 50", n)
	}
	for _, secret := range secrets {
		want(t, "evicted or not", reason(t, s, gw, secret, get), "")
	}
}

func TestWarmVerifyDoesNotAllocate(t *testing.T) {
	s, _ := fake(tokens.Options{})
	_, secret := mustCreate(t, s, tokens.CreateRequest{Settings: tokens.Settings{CIDRs: new([]string{"192.0.2.0/24"}), RequestsPerSecond: new(1e6)}})
	ctx := context.Background()
	n := testing.AllocsPerRun(1000, func() {
		if _, err := s.Verify(ctx, gw, secret, get); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// TestVerifyAdmin: a token manages its gateway only with the scope admin.
func TestVerifyAdmin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := fake(tokens.Options{})
		_, plain := mustCreate(t, s, tokens.CreateRequest{})
		_, read := mustCreate(t, s, tokens.CreateRequest{Settings: tokens.Settings{Scopes: &[]tokens.Scope{tokens.ScopeRead}}})
		token, admin := mustCreate(t, s, tokens.CreateRequest{Settings: tokens.Settings{Scopes: &[]tokens.Scope{tokens.ScopeAdmin}}})
		for name, tt := range map[string]struct {
			secret string
			want   tokens.Reason
		}{
			"no scope": {plain, tokens.ReasonScope}, "read": {read, tokens.ReasonScope}, "admin": {admin, ""},
			"none": {"", tokens.ReasonMissing}, "unknown": {"a-text-that-nobody-chose", tokens.ReasonUnknown},
		} {
			got, err := s.VerifyAdmin(t.Context(), tt.secret, post)
			var e *tokens.Error
			if errors.As(err, &e); tt.want != "" && (e == nil || e.Reason != tt.want) || tt.want == "" && (err != nil || got.ID != token.ID) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
		want(t, "a gateway that is called *", reason(t, s, "lc-*", admin, post), tokens.ReasonGateway)
	})
}
