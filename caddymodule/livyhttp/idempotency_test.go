package livyhttp_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

// Go's HTTP client sends a POST with an idempotency key a second time if a reused connection
// breaks. Livy does not know such keys and would run the same code twice.
func TestNoHeaderMakesARequestSentTwice(t *testing.T) {
	double := livytest.New()
	var posts atomic.Int32
	double.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || !strings.Contains(r.URL.Path, "/statements") && r.URL.Path != "/batches" {
			return false
		}
		posts.Add(1)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return true
		}
		_ = conn.Close() // Livy dies with the request
		return true
	}
	s := caddytest.New(t, double)
	s.Do("POST", "/sessions", `{"kind":"pyspark"}`)
	for _, header := range []string{"Idempotency-Key: k", "X-Idempotency-Key: k"} {
		for path, body := range map[string]string{"/sessions/0/statements": `{"code":"1"}`, "/batches": `{"file":"/data/x.py"}`} {
			s.Do("GET", "/sessions/0", "") // leaves a connection to be used again
			posts.Store(0)
			if r := s.Do("POST", path, body, header); r.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s with %s: %d %s", path, header, r.StatusCode, r.Text)
			}
			if n := posts.Load(); n != 1 {
				t.Errorf("%s with %s was sent %d times", path, header, n)
			}
		}
	}
}
