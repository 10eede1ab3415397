package livyhttp_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
)

// TestAServerThatIsStopping answers 404 with a page of its web server, for which clients would
// give up their sessions. They get 503, and the records of creates end.
func TestAServerThatIsStopping(t *testing.T) {
	double := livytest.New()
	var page atomic.Value
	page.Store("")
	s := caddytest.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := page.Load().(string)
		if body == "" || r.URL.Path == "/version" || r.URL.RawQuery == "from=0&size=500" {
			double.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html;charset=iso-8859-1")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, body)
	}))
	if r := s.Do("POST", "/sessions", `{"kind":"spark"}`); r.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	page.Store("<html><h2>HTTP ERROR 404 Not Found</h2></html>")
	for _, request := range []struct{ method, path, body string }{
		{"GET", "/sessions", ""},
		{"GET", "/sessions/0", ""},
		{"GET", "/sessions/0/state", ""},
		{"POST", "/sessions/0/statements", `{"code":"1"}`},
		{"DELETE", "/sessions/0", ""},
		{"POST", "/sessions", `{"kind":"spark"}`},
		{"POST", "/batches", `{"file":"file:/data/x.py"}`},
	} {
		r := s.Do(request.method, request.path, request.body)
		if r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || !strings.Contains(r.JSON(t).Msg, "is stopping or restarting") {
			t.Errorf("%s %s: %d %s %v", request.method, request.path, r.StatusCode, r.Text, r.Header)
		}
	}
	for _, r := range s.Records(store.RecordFilter{}) {
		if !r.Confirmed() && (r.Live() || r.Reason != "the Livy server was stopping") {
			t.Errorf("record %+v", r)
		}
	}
	const other = "<p>nothing of Livy's</p>"
	page.Store(other)
	if r := s.Do("GET", "/sessions", ""); r.StatusCode != http.StatusNotFound || r.Text != other {
		t.Errorf("another page: %d %s", r.StatusCode, r.Text)
	}
}
