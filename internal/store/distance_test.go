package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestFarRedis uses a Redis that is 150 ms away, there and back: over TLS, whose
// connections take two such ways more than the answer to a command may. One that is
// too far is called far.
func TestFarRedis(t *testing.T) {
	t.Parallel()
	authority := storetest.NewAuthority(t)
	_, addr := storetest.StartTLSServer(t, authority, "127.0.0.1")
	cert, key := authority.Issue("livy")
	relay := storetest.StartRelay(t, addr)
	open := func(parameters string) *store.Store {
		s, err := store.Open(store.Options{
			URL: "rediss://" + relay.Addr() + parameters, CAFile: authority.CA, CertFile: cert, KeyFile: key,
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	relay.Delay(75 * time.Millisecond)
	if err := store.Retry(t.Context(), time.Minute, open("").Migrate); err != nil {
		t.Errorf("150 ms away, with the defaults: %v", err)
	}
	relay.Delay(300 * time.Millisecond)
	got := open("").Examine(t.Context(), false)[0]
	if got.Status != doctor.Fail || !strings.Contains(got.Summary, "is far away: an answer takes ") || !strings.Contains(got.Mend, "write timeout 1") {
		t.Errorf("600 ms away: %+v", got)
	}
	if err := store.Retry(t.Context(), time.Minute, open("?timeout=2s").Migrate); err != nil {
		t.Errorf("600 ms away, with timeout=2s: %v", err)
	}
}
