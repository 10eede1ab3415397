package control

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestRests: a stopped gateway costs nothing once a step has found it settled, until it changes.
func TestRests(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	g := create(t, m, "etl", false)
	r := &reconciler{m: m, id: g.ID}
	if r.rests(g) {
		t.Error("a gateway that no step has seen rests")
	}
	for range 2 { // the second one reads nothing
		if pause := r.step(t.Context()); pause != m.PollInterval {
			t.Errorf("pause %s", pause)
		}
	}
	if !r.rests(m.Known(g.ID)) {
		t.Errorf("%+v does not rest after %+v", m.Known(g.ID), r)
	}
	for name, change := range map[string]func(*gateway.Gateway){
		"newer":           func(g *gateway.Gateway) { g.Revision++ },
		"to run":          func(g *gateway.Gateway) { g.Desired = gateway.StateRunning },
		"to be deleted":   func(g *gateway.Gateway) { g.Desired = gateway.StateDeleting },
		"stopping":        func(g *gateway.Gateway) { g.Status.State = gateway.StateStopping },
		"another server":  func(g *gateway.Gateway) { g.Status.Servers = []gateway.Server{{Number: 2}} },
		"an unknown past": func(*gateway.Gateway) { r.checkedUnknown = false },
	} {
		changed := *m.Known(g.ID)
		change(&changed)
		if r.rests(&changed) {
			t.Errorf("%s: it rests", name)
		}
		r.checkedUnknown = true
	}
}

// TestAChangeWakesOne: a change of one gateway wakes its own reconciler only, and news of it that
// arrive twice wake none.
func TestAChangeWakesOne(t *testing.T) {
	m := New(Options{PollInterval: time.Hour, Logger: zap.NewNop()})
	for _, id := range []string{"lc-1", "lc-2"} {
		m.reconcilers.all[id] = &reconciler{m: m, id: id, kicked: make(chan struct{}, 1)}
	}
	kicked := func(id string) bool { return len(m.reconcilers.all[id].kicked) > 0 }
	g := &gateway.Gateway{ID: "lc-1", Workspace: "default", Spec: gateway.Spec{Name: "etl"}, Revision: 1}
	m.publish(g.ID, g)
	if !kicked("lc-1") || kicked("lc-2") {
		t.Errorf("kicked: %v, the other one: %v", kicked("lc-1"), kicked("lc-2"))
	}
	if len(m.leaseholder.kicked) != 1 {
		t.Error("nobody claims the lease of a new gateway")
	}
	<-m.reconcilers.all["lc-1"].kicked
	<-m.leaseholder.kicked
	m.publish(g.ID, g)
	if kicked("lc-1") || len(m.leaseholder.kicked) > 0 {
		t.Error("the same news twice")
	}
}
