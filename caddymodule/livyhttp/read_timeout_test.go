package livyhttp

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestReadLimit(t *testing.T) {
	for name, tt := range map[string]struct {
		method    string
		begins    time.Duration // when the reply begins
		lasts     time.Duration // when it has ended
		wantLimit bool
	}{
		"in time":              {http.MethodGet, time.Second, time.Second, false},
		"begun in time, slow":  {http.MethodGet, readTimeout - time.Second, time.Hour, false},
		"never":                {http.MethodGet, time.Hour, time.Hour, true},
		"creates may be late":  {http.MethodPost, time.Hour, time.Hour, false},
		"deletes may be late":  {http.MethodDelete, time.Hour, time.Hour, false},
		"HEAD is a read, too":  {http.MethodHead, time.Hour, time.Hour, true},
		"as late as may be":    {http.MethodGet, readTimeout - time.Millisecond, readTimeout, false},
		"a moment after limit": {http.MethodGet, readTimeout + time.Millisecond, time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l readLimit
				defer l.end()
				r := l.limit(httptest.NewRequestWithContext(t.Context(), tt.method, "/sessions", http.NoBody))
				err := sleep(r.Context(), tt.begins)
				if err == nil {
					l.begun()
					err = sleep(r.Context(), tt.lasts-tt.begins)
				}
				err = l.explain(err)
				if limited := gateway.KindOf(err) == gateway.KindUnavailable; limited != tt.wantLimit {
					t.Errorf("error %v, want the limit's: %v", err, tt.wantLimit)
				}
			})
		})
	}
}

func TestReadLimitLeavesOtherErrors(t *testing.T) {
	var l readLimit
	defer l.end()
	l.limit(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/sessions", http.NoBody))
	want := errors.New("another")
	if err := l.explain(want); !errors.Is(err, want) {
		t.Errorf("explain made %v of it", err)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
