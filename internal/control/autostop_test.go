package control

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// testClock is a clock that moves when told.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// idleGateway is a running gateway with auto-stop after 45 minutes, whose reconciler
// the test moves itself.
func idleGateway(t *testing.T, livyConf string) (*reconciler, *fakeRuntime, *testClock, *gateway.Gateway) {
	return idleGatewayOf(t, gateway.Spec{LivyConf: livyConf}, func(*Manager) {})
}

// idleGatewayOf does the same with other settings, of the gateway and of the operator.
func idleGatewayOf(t *testing.T, spec gateway.Spec, configure func(*Manager)) (*reconciler, *fakeRuntime, *testClock, *gateway.Gateway) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	m := testManager(t, s, rt)
	m.Close(false) // no reconcilers of its own
	configure(m)
	clock := &testClock{now: time.UnixMilli(1_700_000_000_000)}
	m.Now = clock.Now
	spec.Name, spec.AutoStop = "etl", gateway.AutoStop{Enabled: true}
	g, err := m.Create(context.Background(), CreateRequest{Start: true, Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	w := &reconciler{m: m, id: g.ID}
	for range 100 {
		w.step(context.Background())
		if g = reread(t, m, g); g.Status.State == gateway.StateRunning {
			w.step(context.Background()) // the first look
			return w, rt, clock, g
		}
	}
	t.Fatalf("does not run: %+v", g.Status)
	return nil, nil, nil, nil
}

func reread(t *testing.T, m *Manager, g *gateway.Gateway) *gateway.Gateway {
	t.Helper()
	now, err := m.Store.Gateway(context.Background(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// lists makes the fake servers answer with these sessions and batches.
func (r *fakeRuntime) lists(sessions, batches string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions, r.batches = sessions, batches
}

func TestAnIdleGatewayStops(t *testing.T) {
	w, rt, clock, g := idleGateway(t, "")
	clock.advance(44 * time.Minute)
	w.step(context.Background())
	if now := reread(t, w.m, g); now.Status.State != gateway.StateRunning {
		t.Fatalf("stopped after 44 minutes: %+v", now.Status)
	}
	clock.advance(time.Minute + 2*useInterval)
	w.step(context.Background())
	w.step(context.Background())
	now := reread(t, w.m, g)
	if running, _ := rt.count(); running != 0 || now.Status.State != gateway.StateStopped || now.Desired != gateway.StateStopped {
		t.Fatalf("after 45 minutes: %d servers, %+v", running, now.Status)
	}
	stopping := now.History[len(now.History)-2]
	if stopping.To != gateway.StateStopping || stopping.Actor != gateway.SystemActor || stopping.Cause != "idle for 45 minutes" {
		t.Errorf("transition %+v", stopping)
	}
}

func TestAGatewayThatWorksIsNotStopped(t *testing.T) {
	for name, tt := range map[string]struct {
		conf, sessions, batches string
		request                 bool // a client asks something after 44 minutes
		under                   bool // a request is under way all the time
		stops                   bool
	}{
		"nothing":                             {stops: true},
		"a request":                           {request: true},
		"a request under way":                 {under: true},
		"a running batch":                     {batches: `{"id":0,"state":"running"}`},
		"a starting batch":                    {batches: `{"id":0,"state":"starting"}`},
		"a batch that ended":                  {batches: `{"id":0,"state":"success"}`, stops: true},
		"a busy session":                      {sessions: `{"id":0,"state":"busy"}`, conf: "livy.server.session.timeout-check false"},
		"a starting session":                  {sessions: `{"id":0,"state":"starting"}`, conf: "livy.server.session.timeout-check false"},
		"an idle session within its timeout":  {sessions: `{"id":0,"state":"idle"}`},
		"an idle session that has no timeout": {sessions: `{"id":0,"state":"idle"}`, conf: "livy.server.session.timeout-check false", stops: true},
		"a dead session":                      {sessions: `{"id":0,"state":"dead"}`, stops: true},
	} {
		t.Run(name, func(t *testing.T) {
			w, rt, clock, g := idleGateway(t, tt.conf)
			rt.lists(tt.sessions, tt.batches)
			e, err := w.m.Lookup("default", "etl")
			if err != nil {
				t.Fatal(err)
			}
			if tt.under {
				e.Begin(clock.Now())
			}
			clock.advance(44 * time.Minute)
			if tt.request {
				e.Begin(clock.Now())
				e.End(clock.Now())
			}
			w.step(context.Background())
			clock.advance(2 * time.Minute)
			w.step(context.Background())
			stopped := reread(t, w.m, g).Status.State != gateway.StateRunning
			if stopped != tt.stops {
				t.Errorf("stopped: %v, want %v", stopped, tt.stops)
			}
		})
	}
}

func TestUseThroughAnotherProcessCounts(t *testing.T) {
	w, _, clock, g := idleGateway(t, "")
	clock.advance(44 * time.Minute)
	if _, err := w.m.Store.Touch(context.Background(), g.ID, clock.Now().UnixMilli()); err != nil {
		t.Fatal(err)
	}
	clock.advance(10 * time.Minute)
	w.step(context.Background())
	if now := reread(t, w.m, g); now.Status.State != gateway.StateRunning {
		t.Errorf("stopped although it was used: %+v", now.Status)
	}
}

func TestAutoStopNeedsLivysLists(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	_, err := m.Create(context.Background(), CreateRequest{Spec: gateway.Spec{
		Name: "etl", AutoStop: gateway.AutoStop{Enabled: true}, LivyConf: "livy.server.auth.type ldap",
	}})
	if err == nil || !strings.Contains(err.Error(), "autoStop.enabled") {
		t.Errorf("auto-stop with LDAP: %v", err)
	}
}

// wakeAtOnce has 100 requests for the gateway etl at once, by turns through each of
// the managers: all get a server, and one is started.
func wakeAtOnce(t *testing.T, rt *fakeRuntime, managers ...*Manager) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 100 {
		m := managers[i%len(managers)]
		wg.Go(func() {
			e, err := m.Lookup("default", "etl")
			if err == nil {
				e, err = m.Ready(context.Background(), e, gateway.Origin{})
			}
			if err != nil || e.Gateway.Status.Address == "" {
				t.Errorf("woken: %+v, %v", e, err)
			}
		})
	}
	wg.Wait()
	if _, starts := rt.count(); starts != 1 {
		t.Errorf("%d starts", starts)
	}
}

func TestManyRequestsWakeAGatewayOnce(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	m := testManager(t, s, rt)
	g, err := m.Create(context.Background(), CreateRequest{Spec: gateway.Spec{Name: "etl", AutoStart: gateway.AutoStart{Enabled: true}}})
	if err != nil {
		t.Fatal(err)
	}
	wakeAtOnce(t, rt, m)
	g = reread(t, m, g)
	if h := g.History[1]; h.Cause != "woken by a request" || h.Actor != gateway.SystemActor {
		t.Errorf("transition %+v", h)
	}
}

func TestAWakingGatewayKeepsNobodyWaitingForEver(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	rt.mute = true
	m := testManager(t, s, rt)
	zero := 0
	g, err := m.Create(context.Background(), CreateRequest{Spec: gateway.Spec{Name: "etl", AutoStart: gateway.AutoStart{Enabled: true, WaitSeconds: &zero}}})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := m.Lookup("default", "etl")
	if _, err := m.Ready(context.Background(), e, gateway.Origin{}); gateway.KindOf(err) != gateway.KindUnavailable || !strings.Contains(err.Error(), `gateway "etl" is starting (`) {
		t.Errorf("with no patience: %v", err)
	}
	await(t, m, g.ID, "waiting for an answer", func(g *gateway.Gateway) bool { return strings.Contains(g.Status.Reason, "to answer") })
	patch(t, m, g, false, `{"autoStart":{"waitSeconds":60}}`)
	e, _ = m.Lookup("default", "etl")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := m.Ready(ctx, e, gateway.Origin{}); !strings.Contains(fmt.Sprint(err), "waiting for the Livy server to answer") {
		t.Errorf("progress: %v", err)
	}
	// Whoever waits is told when somebody deletes it.
	gone := make(chan error, 1)
	go func() { _, err := m.Ready(context.Background(), e, gateway.Origin{}); gone <- err }()
	if _, err := m.Delete(context.Background(), g, true, gateway.Order{}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-gone:
		if err == nil {
			t.Error("a deleted gateway was ready")
		}
	case <-time.After(10 * time.Second):
		t.Error("still waits for a deleted gateway")
	}
}

func TestOnlyThoseThatWantItAreWoken(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	m := testManager(t, s, rt)
	create(t, m, "etl", false)
	e, _ := m.Lookup("default", "etl")
	if _, err := m.Ready(context.Background(), e, gateway.Origin{}); gateway.KindOf(err) != gateway.KindUnavailable || !strings.Contains(err.Error(), "must be started first") {
		t.Errorf("%v", err)
	}
	if _, starts := rt.count(); starts != 0 {
		t.Errorf("%d starts", starts)
	}
}

// A client that leaves does not wait for another one, whose start waits for Redis.
func TestAClientLeavesWhileAnotherWakes(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	if _, err := m.Create(t.Context(), CreateRequest{Spec: gateway.Spec{Name: "etl", AutoStart: gateway.AutoStart{Enabled: true}}}); err != nil {
		t.Fatal(err)
	}
	e, err := m.Lookup("default", "etl")
	if err != nil {
		t.Fatal(err)
	}
	e.used.waking <- struct{}{} // another request
	left, leave := context.WithCancel(t.Context())
	leave()
	if _, err := m.Ready(left, e, gateway.Origin{}); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("%v", err)
	}
}

// list answers one of Livy's lists.
func list(w http.ResponseWriter, name, items string) {
	total := strings.Count(items, `"id"`)
	fmt.Fprintf(w, `{"from":0,"total":%d,%q:[%s]}`, total, name, items)
}

// TestWakingWhatAnotherInstanceHasWoken asks for a gateway whose start, made
// elsewhere, has not been seen here.
func TestWakingWhatAnotherInstanceHasWoken(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	g, err := m.Create(context.Background(), CreateRequest{Spec: gateway.Spec{Name: "etl", AutoStart: gateway.AutoStart{Enabled: true}}})
	if err != nil {
		t.Fatal(err)
	}
	behind := m.snapshots.current.Load()
	if _, err := m.Start(context.Background(), g, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	await(t, m, g.ID, "running", inState(gateway.StateRunning))
	m.snapshots.current.Store(behind)
	e, err := m.Ready(context.Background(), behind.byID[g.ID], gateway.Origin{})
	if err != nil || e.Gateway.Status.Address == "" {
		t.Errorf("woken: %+v, %v", e, err)
	}
}
