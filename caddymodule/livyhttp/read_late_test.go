package livyhttp_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/livyhttp"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

// TestAReadThatLivyDoesNotAnswer checks that a client which waits for a reply gets 503 in the end.
func TestAReadThatLivyDoesNotAnswer(t *testing.T) {
	livyhttp.SetReadTimeout(t, 200*time.Millisecond)
	double := livytest.New()
	var silent atomic.Bool
	s := caddytest.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if silent.Load() && strings.HasSuffix(r.URL.Path, "/state") {
			<-r.Context().Done()
			return
		}
		double.ServeHTTP(w, r)
	}))
	if r := s.Do("POST", "/sessions", `{"kind":"spark"}`); r.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	silent.Store(true)
	r := s.Do("GET", "/sessions/0/state", "")
	if r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" ||
		!strings.Contains(r.Text, "did not answer this request within") {
		t.Errorf("%d %v %s, want 503 with Retry-After", r.StatusCode, r.Header, r.Text)
	}
}
