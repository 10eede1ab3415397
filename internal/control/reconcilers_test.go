package control

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestAGatewayLostFromSightIsSupervisedAgain takes a gateway out of the snapshot for
// a moment, as an answer from Redis that is older than the gateway does.
func TestAGatewayLostFromSightIsSupervisedAgain(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	m := testManager(t, s, rt)
	g := create(t, m, "etl", true)
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
	m.snapshots.change(func(entries map[string]*Entry) { delete(entries, g.ID) })
	m.kickAll()
	rt.crash(g.ID)
	await(t, m, g.ID, "another server", func(now *gateway.Gateway) bool {
		return now.Status.State == gateway.StateRunning && now.Status.Instance != g.Status.Instance
	})
}

// TestAnOrderInTheMiddleOfAStepIsObeyedAtOnce stops a gateway while its reconciler waits
// for Livy's lists: the next turn would come after an hour.
func TestAnOrderInTheMiddleOfAStepIsObeyedAtOnce(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	polled, goOn := make(chan struct{}), make(chan struct{})
	var first sync.Once
	rt.guard = func(r *http.Request) bool {
		if r.URL.Path == "/sessions" {
			first.Do(func() {
				close(polled)
				<-goOn
			})
		}
		return true
	}
	m := testManagerWith(t, s, rt, func(o *Options) { o.PollInterval = time.Hour })
	g := create(t, m, "etl", true)
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
	m.PollSoon(g.ID)
	<-polled
	if _, err := m.Stop(context.Background(), g, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	await(t, m, g.ID, "stopped", inState(gateway.StateStopped))
}
