package control

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/upstream"
)

// stubborn is a runtime with servers of deleted gateways, of which one cannot be stopped.
type stubborn struct {
	*fakeRuntime
	servers []upstream.Instance
	stopped []string
}

func (r *stubborn) List(context.Context) ([]upstream.Instance, error) { return r.servers, nil }

func (r *stubborn) Stop(_ context.Context, id string, _ int64) error {
	if id == "lc-stuck" {
		return errors.New("it does not end")
	}
	r.stopped = append(r.stopped, id)
	return nil
}

// TestOneStuckServerKeepsNoOthers: what cannot be stopped is reported, and the rest is
// stopped all the same.
func TestOneStuckServerKeepsNoOthers(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := &stubborn{fakeRuntime: newFakeRuntime(t)}
	m := testManager(t, s, rt)
	m.Close(false) // reaping is called here
	ours, err := m.installation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"lc-a", "lc-stuck", "lc-b"} {
		rt.servers = append(rt.servers, upstream.Instance{GatewayID: id, ID: id, Installation: ours})
	}
	if err := m.reapOrphans(t.Context()); err == nil {
		t.Error("no error")
	}
	if len(rt.stopped) != 2 || rt.stopped[1] != "lc-b" {
		t.Errorf("stopped %v", rt.stopped)
	}
}

// TestOrphansOfOtherInstallations are left alone, logged once and named by the doctor.
func TestOrphansOfOtherInstallations(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := &stubborn{fakeRuntime: newFakeRuntime(t)}
	logged, logs := observer.New(zap.WarnLevel)
	m := testManagerWith(t, s, rt, func(o *Options) { o.Logger = zap.New(logged) })
	g := create(t, m, "etl", false)
	await(t, m, g.ID, "created", inState(gateway.StateCreated))
	m.Close(false)   // reaping is called here
	rt.stopped = nil // by the gateway's own supervisor, which makes sure that it is stopped
	began := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	rt.servers = []upstream.Instance{
		{GatewayID: "lc-later", ID: "later", Installation: "in-earlier", Started: began.Add(time.Hour), Running: true},
		{GatewayID: "lc-lost", ID: "lost", Installation: "in-earlier", Started: began, Running: true},
		{GatewayID: g.ID, ID: "known", Installation: "in-earlier", Running: true},
	}
	for range 2 {
		if err := m.reapOrphans(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(rt.stopped) != 0 {
		t.Errorf("stopped %v", rt.stopped)
	}
	all, err := m.Orphans(t.Context())
	if err != nil || len(all) != 2 || all[0].Instance != "lost" || all[1].Instance != "later" {
		t.Errorf("orphans %+v, %v", all, err)
	}
	if n := logs.FilterMessageSnippet("is left alone").Len(); n != 2 {
		t.Errorf("logged %d times", n)
	}
	var named []string
	for _, r := range m.Examine(t.Context()) {
		if strings.HasPrefix(r.Check, "orphan ") {
			named = append(named, r.Check)
		}
	}
	if len(named) != 2 || named[0] != "orphan lost" {
		t.Errorf("the doctor names %v", named)
	}
}
