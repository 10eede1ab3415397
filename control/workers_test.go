package control

import (
	"testing"

	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/store/storetest"
)

// TestAGatewayLostFromSightIsSupervisedAgain takes a gateway out of the picture for
// a moment, as an answer from Redis that is older than the gateway does.
func TestAGatewayLostFromSightIsSupervisedAgain(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	m := testManager(t, s, rt)
	g := create(t, m, "etl", true)
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
	m.view.change(func(entries map[string]*Entry) { delete(entries, g.ID) })
	m.kickAll()
	rt.crash(g.ID)
	await(t, m, g.ID, "another server", func(now *gateway.Gateway) bool {
		return now.Status.State == gateway.StateRunning && now.Status.Instance != g.Status.Instance
	})
}
