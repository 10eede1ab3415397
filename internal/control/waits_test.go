package control

import (
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestAStartThatWaits: a gateway tells what its server waits for, while it does.
func TestAStartThatWaits(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	rt.mute = true
	m := testManager(t, s, rt)
	g := create(t, m, "etl", true)
	reason := func(want string) func(*gateway.Gateway) bool {
		return func(g *gateway.Gateway) bool {
			return g.Status.State == gateway.StateStarting && g.Status.Reason == want
		}
	}
	await(t, m, g.ID, "a start", reason("waiting for the Livy server to answer"))
	waits := func(what string) {
		rt.mu.Lock()
		defer rt.mu.Unlock()
		inst := rt.inst[g.ID]
		inst.Waits = what
		rt.inst[g.ID] = inst
	}
	waits("no node takes the pod")
	now := await(t, m, g.ID, "the reason", reason("no node takes the pod"))
	waits("")
	again := await(t, m, g.ID, "its end", reason("waiting for the Livy server to answer"))
	if len(again.History) != len(now.History) || again.Status.Epoch != g.Status.Epoch+1 {
		t.Errorf("that was a transition: %+v", again.History)
	}
	waits("no node takes the pod")
	configure(m, func(s *Settings) { s.StartTimeout = time.Millisecond })
	await(t, m, g.ID, "a failure", func(g *gateway.Gateway) bool {
		return g.Status.LastFailure != nil && strings.Contains(g.Status.LastFailure.Reason, ": no node takes the pod")
	})
}
