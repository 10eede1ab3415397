package livyhttp_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
)

// TestLogOfADeadLivy: the log line of a request that Livy did not answer tells whose it was.
func TestLogOfADeadLivy(t *testing.T) {
	double := livytest.New()
	var dead atomic.Bool
	double.Before = func(http.ResponseWriter, *http.Request) bool {
		if dead.Load() {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	s := caddytest.New(t, double)
	s.Do("POST", "/sessions", `{}`)
	rec := caddytest.RecordOf(s.Records(store.RecordFilter{}), 0)
	dead.Store(true)
	if r := s.Do("GET", "/sessions/0/state", ""); r.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	line := ""
	for text := range strings.Lines(s.Logged()) {
		if strings.Contains(text, "request not served") {
			line = text
		}
	}
	for _, want := range []string{
		`"gateway":"default/etl"`, `"gateway_id":"` + s.Gateway.ID + `"`, `"token":"` + s.TokenID + `"`, `"record":"` + rec.ID + `"`, `"session":"0"`,
		`"path":"` + caddytest.Prefix + `/sessions/0/state"`, `"reason":"the Livy server of this gateway does not answer"`,
	} {
		if !strings.Contains(line, want) {
			t.Errorf("the log has %s without %s", line, want)
		}
	}
}

// TestWhoEndedIt: an interrupt ends the session at Livy, and the record says who sent it.
func TestWhoEndedIt(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	for i, verb := range []string{"interrupt", "stop"} {
		s.Do("POST", "/sessions", `{}`)
		if r := s.Do("POST", "/sessions/"+string(rune('0'+i))+"/"+verb, ""); r.StatusCode > 299 {
			t.Fatalf("%s: %d %s", verb, r.StatusCode, r.Text)
		}
		rec := caddytest.RecordOf(s.Records(store.RecordFilter{}), int64(i))
		if rec.State != "killed" || !strings.HasSuffix(rec.Reason, "ed by token "+s.TokenID) || !strings.HasPrefix(rec.Reason, verb) {
			t.Errorf("%s: %q, %q", verb, rec.State, rec.Reason)
		}
	}
	if r := s.Do("POST", "/batches", `{"nonsense":1}`); r.StatusCode != 400 || !strings.Contains(r.Text, `"field":"nonsense"`) {
		t.Errorf("an unknown field: %d %s", r.StatusCode, r.Text)
	}
}
