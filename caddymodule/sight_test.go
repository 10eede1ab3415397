package caddymodule

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/livy/livytest"
	"github.com/livygateway/livygateway/store"
)

// isPoll says whether a request to Livy is the gateway's own look at a list.
func isPoll(r *http.Request) bool { return strings.HasPrefix(r.URL.RawQuery, "from=0&size=200") }

// TestRepliesKeepRecordsTrue lets replies pass by while Livy's lists cannot be
// had: only they can tell.
func TestRepliesKeepRecordsTrue(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := newSite(t, double)
	s.do("POST", "/sessions", `{"conf":{"spark.x":"\"state\":\"dead\""}}`)
	s.do("POST", "/batches", `{"file":"file:/data/job.py","name":"b"}`)
	double.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if !isPoll(r) {
			return false
		}
		w.WriteHeader(http.StatusInternalServerError)
		return true
	}
	for _, c := range []struct{ collection, kind, path, state string }{
		{"sessions", "session", "/sessions/0", "idle"},
		{"sessions", "session", "/sessions/0/state", "busy"},
		{"batches", "batch", "/batches/0", "running"},
		{"batches", "batch", "/batches/b/state", "recovering"},
		{"sessions", "session", "/sessions", "shutting_down"},
	} {
		if c.path == "/sessions" { // a list is read where it has to be filtered
			s.isolate()
		}
		double.SetState(c.collection, 0, c.state)
		s.do("HEAD", c.path, "")
		s.do("GET", c.path, "")
		got := ""
		for range 500 {
			r, err := current.Load().store.Record(t.Context(), s.gateway.ID, c.kind, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got = r.State; got == c.state {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if got != c.state {
			t.Errorf("%s told %s, on record is %s", c.path, c.state, got)
		}
	}
}

// TestCreatesAndDeletesArePolledAtOnce counts how often Livy is asked for its
// lists.
func TestCreatesAndDeletesArePolledAtOnce(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	var polls atomic.Int64
	double.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/sessions" && isPoll(r) {
			polls.Add(1)
		}
		return false
	}
	s := newSite(t, double)
	current.Load().manager.PollSoon("lc-unknown") // does nothing
	next := func(what string, from int64, within time.Duration) {
		t.Helper()
		for end := time.Now().Add(within); polls.Load() == from; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("no poll within %v of %s", within, what)
			}
		}
	}
	// By itself the next poll is 3 s after the last one.
	for _, c := range []struct{ what, method, path string }{{"a create", "POST", "/sessions"}, {"a delete", "DELETE", "/sessions/0"}} {
		next("the last one", polls.Load(), 10*time.Second)
		time.Sleep(1100 * time.Millisecond)
		before := polls.Load()
		if r := s.do(c.method, c.path, `{}`); r.StatusCode > 201 {
			t.Fatalf("%s: %d %s", c.what, r.StatusCode, r.body)
		}
		next(c.what, before, 1200*time.Millisecond)
	}
	before, begun := polls.Load(), time.Now()
	for range 50 {
		s.do("POST", "/sessions", `{}`)
	}
	if n, most := polls.Load()-before, int64(time.Since(begun)/time.Second)+2; n > most {
		t.Errorf("50 creates in %v caused %d polls, want at most %d", time.Since(begun), n, most)
	}
	if got := s.records(store.RecordFilter{State: store.StateLive}); len(got) != 50 {
		t.Errorf("%d live records", len(got))
	}
}
