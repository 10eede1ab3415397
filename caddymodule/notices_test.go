package caddymodule_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestNotices has a budget used up by a session, which is stopped, another session lost, a token about to
// expire and a gateway fail: each is a Caddy event and an event of the stream.
func TestNotices(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	handlers := "events {\n"
	for _, e := range []string{"budget_reached", "gateway_failed", "token_expiring", "session_lost"} {
		handlers += "on livy_" + e + " noted notices\n"
	}
	s.Load(strings.Replace(s.Config, "	livy {", handlers+`}
	livy {
		budget small {
			per token
			match bound-*
			period day
			vcore_hours hard 0.001
			on_exceed stop
			reserve 0s
		}`, 1))
	stream := follow(t)

	bound := s.NewToken("bound-one", tokens.Settings{})
	for _, token := range []string{bound, tokens.Header + ": " + s.Token} {
		if r := s.Do("POST", "/sessions", `{"kind":"pyspark"}`, token); r.StatusCode != 201 {
			t.Fatalf("%d %s", r.StatusCode, r.Text)
		}
	}
	double.SetState("sessions", 0, "idle")
	double.SetState("sessions", 1, "idle")
	s.Await(func() bool {
		r := caddytest.RecordOf(s.Records(store.RecordFilter{}), 0)
		return r.State == "killed" && strings.Contains(r.Reason, "the budget small (0.001 vcore_hours a day)")
	})
	if r := caddytest.RecordOf(s.Records(store.RecordFilter{}), 1); !r.Live() {
		t.Errorf("a session of a token without the budget: %s %s", r.State, r.Reason)
	}
	double.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("DELETE", "/sessions/1", nil)) // past the gateway
	s.NewToken("brief", tokens.Settings{ExpireDays: new(3)})
	s.Respecify(func(spec *gateway.Spec) { spec.Cluster = "none" })
	m := core.InForce().Manager
	if _, err := m.Restart(t.Context(), s.Gateway, gateway.By("test")); err != nil {
		t.Logf("restarting: %v", err)
	}
	wanted := []string{
		"notices livy_budget_reached / notice-", "notices livy_session_lost default/etl notice-",
		"notices livy_token_expiring default/etl notice-", "notices livy_gateway_failed default/etl " + s.Gateway.ID,
	}
	s.Await(func() bool {
		told.Lock()
		defer told.Unlock()
		for _, w := range wanted {
			if !strings.Contains(strings.Join(told.events, "\n"), w) {
				return false
			}
		}
		return true
	})
	for _, w := range []string{
		`"event":"budget_reached"`, `"event":"session_lost"`, `"event":"token_expiring"`, `"event":"gateway_failed"`,
	} {
		s.Await(func() bool { return strings.Contains(stream(), w) })
	}
	told.Lock()
	defer told.Unlock()
	for _, w := range wanted[:3] {
		if n := strings.Count(strings.Join(told.events, "\n"), w); n != 1 {
			t.Errorf("%d events %q in %q", n, w, told.events)
		}
	}
	told.events = nil
}

// follow follows the notices among the events of the management API, and returns a function that
// returns what has come.
func follow(t *testing.T) func() string {
	t.Helper()
	server := httptest.NewServer(core.InForce().API.Handler(func(*http.Request) gateway.Origin { return gateway.By("test").Origin }))
	t.Cleanup(server.Close)
	reply, err := server.Client().Get(server.URL + "/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var text strings.Builder
	var reading sync.WaitGroup
	reading.Go(func() {
		notice := false
		for lines := bufio.NewScanner(reply.Body); lines.Scan(); {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				notice = name == "notice"
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && notice {
				mu.Lock()
				fmt.Fprintln(&text, data)
				mu.Unlock()
			}
		}
	})
	t.Cleanup(func() {
		_ = reply.Body.Close()
		reading.Wait()
	})
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return text.String()
	}
}
