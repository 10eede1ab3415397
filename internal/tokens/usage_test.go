package tokens_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

func TestUseIsWrittenOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		stop := run(t, s)
		token, secret := mustCreate(t, s, tokens.CreateRequest{})
		agent := strings.Repeat("a", 10_000)
		for range 50 {
			want(t, "good", reason(t, s, gw, secret, tokens.Attempt{Method: "GET", RemoteAddr: "[2001:db8::1]:99", UserAgent: agent}), "")
			time.Sleep(time.Second)
		}
		last := time.Now().Add(-time.Second)
		want(t, "refused", reason(t, s, "lc-b", secret, get), tokens.ReasonGateway) // is no use
		if n := len(rows.touched()); n != 0 {
			t.Fatalf("%d writes in the first 50 seconds", n)
		}
		time.Sleep(11 * time.Second)
		got := rows.touched()
		if len(got) != 1 {
			t.Fatalf("%d writes in a minute, want 1", len(got))
		}
		if u := got[0]; u.ID != token.ID || u.Uses != 50 || !u.At.Equal(last) || u.Address != "2001:db8::1" || u.Agent != agent[:200] || !u.PreviousAt.IsZero() {
			t.Errorf("wrote %+v", u)
		}
		time.Sleep(5 * time.Minute)
		if n := len(rows.touched()); n != 1 {
			t.Errorf("%d writes for a token that is not used", n)
		}
		want(t, "good", reason(t, s, gw, secret, get), "")
		stop() // what is not written yet is written last
		if got := rows.touched(); len(got) != 2 || got[1].Uses != 1 || got[1].Address != "192.0.2.7" {
			t.Errorf("wrote %+v", got)
		}
	})
}

func TestUseIsKeptThroughAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		defer run(t, s)()
		_, secret := mustCreate(t, s, tokens.CreateRequest{})
		want(t, "good", reason(t, s, gw, secret, get), "")
		rows.fail(errAway)
		time.Sleep(3*time.Minute + 30*time.Second)
		rows.fail(nil)
		want(t, "good", reason(t, s, gw, secret, get), "")
		time.Sleep(time.Minute)
		if got := rows.touched(); len(got) != 1 || got[0].Uses != 2 {
			t.Errorf("wrote %+v, want one write of 2 uses", got)
		}
	})
}

func TestUseOfAnOldSecretShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rows := fake(tokens.Options{})
		stop := run(t, s)
		token, old := mustCreate(t, s, tokens.CreateRequest{})
		if _, _, err := s.Reset(t.Context(), gateway.Order{}, gw, token.ID, tokens.ResetRequest{OverlapHours: 1}); err != nil {
			t.Fatal(err)
		}
		want(t, "old secret", reason(t, s, gw, old, get), "")
		now := time.Now()
		stop()
		if got := rows.touched(); len(got) != 1 || !got[0].PreviousAt.Equal(now) {
			t.Errorf("wrote %+v, want the old secret's use at %s", got, now)
		}
	})
}
