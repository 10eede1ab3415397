package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestHistory(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	g := new(gateway.Gateway)
	g.Enter(gateway.StateCreated, "", "ann", now)
	g.Enter(gateway.StateStarting, "starting the Livy server", gateway.SystemActor, now.Add(time.Second))
	g.Enter(gateway.StateStarting, "waiting for an answer", gateway.SystemActor, now.Add(2*time.Second))
	if len(g.History) != 2 || g.Status.Reason != "waiting for an answer" || !g.Status.Since.Equal(now.Add(time.Second)) {
		t.Errorf("a new reason is no transition: %+v", g)
	}
	want := gateway.Transition{
		Time: now.Add(time.Second).UTC(), From: gateway.StateCreated, To: gateway.StateStarting,
		Actor: gateway.SystemActor, Cause: "starting the Livy server",
	}
	if g.History[1] != want {
		t.Errorf("transition %+v, want %+v", g.History[1], want)
	}
	for i := range 2 * gateway.MaxHistory {
		g.Enter([]gateway.State{gateway.StateError, gateway.StateStarting}[i%2], strings.Repeat("x", 1000), "", now)
	}
	if len(g.History) != gateway.MaxHistory || len(g.History[0].Cause) > 310 {
		t.Errorf("%d transitions with causes of %d bytes", len(g.History), len(g.History[0].Cause))
	}
}
