package livyhttp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// sleep stops the gateway, which has auto-start.
func sleep(s *caddytest.Site) {
	s.T.Helper()
	m := core.InForce().Manager
	if _, err := m.Update(s.T.Context(), s.Gateway, control.UpdateRequest{Patch: []byte(`{"autoStart":{"enabled":true}}`)}); err != nil {
		s.T.Fatal(err)
	}
	if _, err := m.Stop(s.T.Context(), s.Gateway, gateway.By("test")); err != nil {
		s.T.Fatal(err)
	}
	s.AwaitState("etl", gateway.StateStopped)
}

// asleep reports whether nothing has started the gateway.
func asleep(s *caddytest.Site) bool {
	s.T.Helper()
	e, err := core.InForce().Manager.Lookup("default", "etl")
	if err != nil {
		s.T.Fatal(err)
	}
	return e.Gateway.Desired == gateway.StateStopped && e.Gateway.Status.State == gateway.StateStopped
}

func TestWhatIsRefusedWakesNobody(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := caddytest.New(t, double)
	s.Respecify(func(spec *gateway.Spec) { spec.DisabledRoutes = []string{"batch.log"} })
	reader := s.NewToken("reader", tokens.Settings{Scopes: &[]tokens.Scope{tokens.ScopeRead}})
	for _, create := range [][2]string{{"/sessions", `{"name":"ended"}`}, {"/batches", `{"file":"file:/data/x.py"}`}} {
		if r := s.Do("POST", create[0], create[1]); r.StatusCode != http.StatusCreated {
			t.Fatalf("%d %s", r.StatusCode, r.Text)
		}
	}
	sleep(s)
	const file = `{"file":"file:/data/job.py"}`
	for _, tc := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		says                     string
	}{
		{"a route that is switched off", "GET", "/batches/0/log", "", nil, 403, "is disabled on this gateway"},
		{"a path that is no route", "GET", "/nowhere", "", nil, 404, ""},
		{"a method that the path does not have", "PUT", "/sessions", "", nil, 405, ""},
		{"a scope that the token does not have", "POST", "/batches", file, []string{reader}, 403, "scope"},
		{"no JSON", "POST", "/batches", "nonsense", nil, 400, "body"},
		{"an unknown field", "POST", "/batches", `{"nonsense":1}`, nil, 400, "nonsense"},
		{"a file that the policy forbids", "POST", "/batches", `{"file":"file:/etc/passwd"}`, nil, 400, "file"},
		{"a body that is too large", "POST", "/sessions", `{"name":"` + strings.Repeat("x", 2<<20) + `"}`, nil, 400, "at most"},
		{"a form", "POST", "/sessions", `kind=spark`, []string{"Content-Type: application/x-www-form-urlencoded"}, 400, "Content-Type"},
		{"a coding that it has not", "POST", "/sessions", `{}`, []string{"Content-Encoding: gzip"}, 400, "gzip"},
		{"an empty Idempotency-Key", "POST", "/batches", file, []string{"Idempotency-Key:  "}, 400, "Idempotency-Key"},
		{"an Idempotency-Key that is too long", "POST", "/batches", file, []string{"Idempotency-Key: " + strings.Repeat("k", 256)}, 400, "Idempotency-Key"},
		{"a session that ended", "GET", "/sessions/0", "", nil, 404, "its record is livy-"},
		{"a session that never was", "GET", "/sessions/7", "", nil, 404, "Session '7' not found."},
		{"a session by the name of one that ended", "GET", "/sessions/ended", "", nil, 404, "Session 'ended' not found."},
		{"a session by a name of nobody", "GET", "/sessions/nobody/state", "", nil, 404, "Session 'nobody' not found."},
		{"a list", "GET", "/sessions", "", nil, 200, `{"from":0,"total":0,"sessions":[]}`},
		{"a page of a list", "GET", "/batches?from=3&size=2", "", nil, 200, `{"from":3,"total":0,"sessions":[]}`},
		{"the version, for a token that may only read", "GET", "/version", "", []string{reader}, 503, "is stopped"},
		{"ending what has ended", "DELETE", "/batches/0", "", nil, 404, "its record is livy-"},
		{"a statement", "POST", "/sessions/0/statements", `{"code":"1"}`, nil, 404, "its record is livy-"},
		{"an upload", "POST", "/sessions/0/upload-file", "anything", nil, 404, "its record is livy-"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := s.Do(tc.method, tc.path, tc.body, tc.headers...)
			if r.StatusCode != tc.status || !strings.Contains(r.Text, tc.says) {
				t.Errorf("%d %s, want %d with %q", r.StatusCode, r.Text, tc.status, tc.says)
			}
			if !asleep(s) {
				t.Error("the gateway was woken")
				sleep(s)
			}
		})
	}
	t.Run("an isolated gateway", func(t *testing.T) {
		s.Isolate()
		for _, path := range []string{"/sessions/0", "/sessions/ended"} {
			if r := s.Do("GET", path, "", s.NewToken("other", tokens.Settings{})); r.StatusCode != 404 || strings.Contains(r.Text, "record") {
				t.Errorf("%s: %d %s", path, r.StatusCode, r.Text)
			}
		}
		if !asleep(s) {
			t.Error("the gateway was woken")
		}
	})
	// A valid create starts the gateway, and reaches Livy as the policy changed it.
	if r := s.Do("POST", "/batches", `{"file":"file:/data/job.py","conf":{"spark.executor.memory":"9g"}}`); r.StatusCode != http.StatusCreated ||
		!strings.Contains(r.Header.Get(headerIgnored), "spark.executor.memory") || !strings.Contains(r.Header.Get(headerForced), "queue") {
		t.Errorf("what passes: %d %s %v", r.StatusCode, r.Text, r.Header)
	}
	sent := double.Requests("batches")
	if last := sent[len(sent)-1]; string(last["file"]) != `"file:/data/job.py"` || string(last["queue"]) != `"root.etl"` {
		t.Errorf("Livy got %s", last)
	}
}

// TestARepetitionWakesNobody repeats a create whose reply is stored.
func TestARepetitionWakesNobody(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	const body, key = `{"file":"file:/data/job.py","executorMemory":"1g"}`, "Idempotency-Key: nightly"
	first := s.Do("POST", "/batches", body, key)
	if first.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", first.StatusCode, first.Text)
	}
	sleep(s)
	r := s.Do("POST", "/batches", body, key)
	if r.StatusCode != http.StatusCreated || r.Text != first.Text || r.Header.Get("Idempotency-Replayed") != "true" ||
		r.Header.Get("Location") != first.Header.Get("Location") || r.Header.Get(headerIgnored) != first.Header.Get(headerIgnored) {
		t.Errorf("the repetition: %d %s %v", r.StatusCode, r.Text, r.Header)
	}
	if r := s.Do("POST", "/batches", `{"file":"file:/data/another.py"}`, key); r.StatusCode != http.StatusConflict {
		t.Errorf("with another body: %d %s", r.StatusCode, r.Text)
	}
	if !asleep(s) {
		t.Fatal("the gateway was woken")
	}
	if r := s.Do("POST", "/batches", body, "Idempotency-Key: another"); r.StatusCode != http.StatusCreated || r.Header.Get("Idempotency-Replayed") != "" {
		t.Errorf("another key: %d %s", r.StatusCode, r.Text)
	}
}
