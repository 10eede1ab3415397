package livyhttp_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
)

// isPoll reports whether a request to Livy is the gateway's own poll of a list.
func isPoll(r *http.Request) bool { return strings.HasPrefix(r.URL.RawQuery, "from=0&size=200") }

// TestRepliesKeepRecordsTrue passes replies on while Livy's lists cannot be read, so that records
// can only be updated from replies.
func TestRepliesKeepRecordsTrue(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := caddytest.New(t, double)
	s.Do("POST", "/sessions", `{"conf":{"spark.x":"\"state\":\"dead\""}}`)
	s.Do("POST", "/batches", `{"file":"file:/data/job.py","name":"b"}`)
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
			s.Isolate()
		}
		double.SetState(c.collection, 0, c.state)
		s.Do("HEAD", c.path, "")
		s.Do("GET", c.path, "")
		got := ""
		for range 6000 {
			r, err := core.InForce().Store.Record(t.Context(), s.Gateway.ID, c.kind, 0)
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

// TestCreatesAndDeletesArePolledAtOnce counts the polls of Livy's lists.
func TestCreatesAndDeletesArePolledAtOnce(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	var polls, last atomic.Int64
	begun := time.Now()
	double.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/sessions" && isPoll(r) {
			last.Store(int64(time.Since(begun)))
			polls.Add(1)
		}
		return false
	}
	s := caddytest.New(t, double)
	core.InForce().Manager.PollSoon("lc-unknown") // does nothing
	// next waits for a poll and returns its time.
	next := func(what string, from int64) time.Duration {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); polls.Load() == from; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("no poll after %s", what)
			}
		}
		return time.Duration(last.Load())
	}
	// Normally the next poll is 3 s after the last one. An earlier poll was triggered. A busy
	// machine may be too slow to show this at the first attempt.
	early := func(what, method, path string) bool {
		was := next("the last one", polls.Load())
		time.Sleep(1100 * time.Millisecond)
		before := polls.Load()
		if r := s.Do(method, path, `{}`); r.StatusCode > 201 {
			t.Fatalf("%s: %d %s", what, r.StatusCode, r.Text)
		}
		return next(what, before)-was < 2900*time.Millisecond
	}
	var created, deleted bool
	for try := 0; try < 5 && (!created || !deleted); try++ {
		created = early("a create", "POST", "/sessions") || created
		deleted = early("a delete", "DELETE", fmt.Sprint("/sessions/", try)) || deleted
	}
	if !created || !deleted {
		t.Errorf("a create brought a poll about: %v, a delete: %v", created, deleted)
	}
	before, began := polls.Load(), time.Now()
	for range 50 {
		s.Do("POST", "/sessions", `{}`)
	}
	if n, most := polls.Load()-before, int64(time.Since(began)/time.Second)+2; n > most {
		t.Errorf("50 creates in %v caused %d polls, want at most %d", time.Since(began), n, most)
	}
	if got := s.Records(store.RecordFilter{State: store.StateLive}); len(got) != 50 {
		t.Errorf("%d live records", len(got))
	}
}
