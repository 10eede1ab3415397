package control

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

func TestOutage(t *testing.T) {
	var o outage
	for i, tt := range []struct {
		failure     string // "" for none
		begins, end bool
	}{
		{"", false, false},
		{"read tcp 127.0.0.1:4711: refused", true, false},
		{"read tcp 127.0.0.1:4712: refused", false, false},
		{"it answers 500", true, false},
		{"it answers 500", false, false},
		{"", false, true},
		{"", false, false},
		{"it answers 500", true, false},
	} {
		begins, end := false, false
		if tt.failure != "" {
			begins = o.begins(errors.New(tt.failure))
		} else {
			end = o.ends()
		}
		if begins != tt.begins || end != tt.end {
			t.Errorf("%d, %q: begins %v, ends %v", i, tt.failure, begins, end)
		}
	}
}

// A Livy that fails at every look is logged once, and once when it is well again. The
// transitions on the way are told once each.
func TestRepeatedFailuresAreLoggedOnce(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	core, logs := observer.New(zap.InfoLevel)
	var mu sync.Mutex
	var told []gateway.State
	polls := 0
	rt.guard = func(r *http.Request) bool {
		if r.URL.Path != "/version" {
			mu.Lock()
			polls++
			mu.Unlock()
		}
		return true
	}
	m := testManagerWith(t, s, rt, func(o *Options) {
		o.Logger = zap.New(core)
		o.OnTransition = func(g *gateway.Gateway) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, g.Status.State)
		}
	})
	g := create(t, m, "etl", true)
	await(t, m, g.ID, "running", inState(gateway.StateRunning))
	set := func(sessions string) {
		rt.mu.Lock()
		rt.sessions = sessions
		rt.mu.Unlock()
		mu.Lock()
		from := polls
		mu.Unlock()
		await(t, m, g.ID, "some polls", func(*gateway.Gateway) bool {
			mu.Lock()
			defer mu.Unlock()
			return polls > from+8
		})
	}
	set(`nonsense`)
	if n := logs.FilterMessage("cannot poll the Livy server").Len(); n != 1 {
		t.Errorf("the failure is logged %d times, want once: %v", n, logs.All())
	}
	set(``)
	if n := logs.FilterMessage("the Livy server can be polled again").Len(); n != 1 {
		t.Errorf("its end is logged %d times, want once: %v", n, logs.All())
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []gateway.State{gateway.StateRunning}; !slices.Equal(told, want) && !slices.Equal(told, append([]gateway.State{gateway.StateStarting}, want...)) {
		t.Errorf("told of %v", told)
	}
}
