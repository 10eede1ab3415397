package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/upstream"
)

// fakeRuntime runs servers that answer /version and empty lists.
type fakeRuntime struct {
	mu       sync.Mutex
	running  map[string]*httptest.Server
	inst     map[string]upstream.Instance
	starts   int
	mute     bool              // servers do not answer
	startErr error             // Start fails
	sessions string            // what servers list
	listed   map[string]string // the sessions on servers by server id, if not sessions
	muted    map[string]bool   // servers that do not answer, by server id
	batches  string
	guard    func(*http.Request) bool     // servers let in only what it says; nil: all
	cpu      []string                     // what the CPU can do
	noFiles  bool                         // no file is there
	livy     http.Handler                 // what servers are, if set
	livyOf   func(id string) http.Handler // the same by server id
}

func newFakeRuntime(t *testing.T) *fakeRuntime {
	r := &fakeRuntime{running: map[string]*httptest.Server{}, inst: map[string]upstream.Instance{}}
	t.Cleanup(func() {
		for _, s := range r.running {
			s.Close()
		}
	})
	return r
}

func (r *fakeRuntime) Name() string { return "fake" }
func (r *fakeRuntime) Close() error { return nil }

func (r *fakeRuntime) Start(ctx context.Context, l upstream.Launch) (upstream.Instance, error) {
	if err := l.Confirmed(ctx); err != nil {
		return upstream.Instance{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.startErr != nil {
		return upstream.Instance{}, r.startErr
	}
	id := l.ServerID()
	if r.running[id] != nil {
		return upstream.Instance{}, gateway.Errorf(gateway.KindConflict, "it runs already")
	}
	r.starts++
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.serve(w, req, id) }))
	r.running[id] = s
	r.inst[id] = upstream.Instance{
		GatewayID: l.GatewayID, Number: max(1, l.Number), ID: fmt.Sprintf("instance-%d", r.starts),
		Address: strings.TrimPrefix(s.URL, "http://"), Running: true, Installation: l.Installation, Epoch: l.Epoch,
	}
	return r.inst[id], nil
}

func (r *fakeRuntime) serve(w http.ResponseWriter, req *http.Request, id string) {
	r.mu.Lock()
	double := r.livy
	if r.livyOf != nil {
		double = r.livyOf(id)
	}
	mute, sessions, batches, guard := r.mute || r.muted[id], r.sessions, r.batches, r.guard
	if listed, ok := r.listed[id]; ok {
		sessions = listed
	}
	r.mu.Unlock()
	switch {
	case double != nil:
		double.ServeHTTP(w, req)
	case guard != nil && !guard(req):
		w.WriteHeader(http.StatusUnauthorized)
	case mute:
		w.WriteHeader(http.StatusServiceUnavailable)
	case req.URL.Path == "/version":
		fmt.Fprint(w, `{"version":"0.8.0-incubating"}`)
	case req.URL.Path == "/batches":
		list(w, "sessions", batches)
	default:
		list(w, "sessions", sessions)
	}
}

func (r *fakeRuntime) Stop(_ context.Context, id string, upTo int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inst[id].Epoch > upTo {
		return nil
	}
	if s := r.running[id]; s != nil {
		s.Close()
	}
	delete(r.running, id)
	delete(r.inst, id)
	return nil
}

// crash ends a server without removing it, as a container that exited.
func (r *fakeRuntime) crash(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[id].Close()
	inst := r.inst[id]
	inst.Running, inst.Exit = false, "exit code 137"
	r.inst[id] = inst
}

func (r *fakeRuntime) Find(_ context.Context, id string) (upstream.Instance, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	inst, ok := r.inst[id]
	return inst, ok, nil
}

func (r *fakeRuntime) List(context.Context) ([]upstream.Instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.inst)), nil
}

func (r *fakeRuntime) CPUFlags(context.Context, string) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cpu, nil
}

func (r *fakeRuntime) HasFile(_ context.Context, _, path string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.noFiles && path == "/opt/fusion/comet.jar", nil
}

func (r *fakeRuntime) Logs(context.Context, string, int) ([]string, error) {
	return []string{"the last words"}, nil
}

func (r *fakeRuntime) count() (running, starts int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.running), r.starts
}

func testManager(t *testing.T, s *store.Store, rt upstream.Runtime) *Manager {
	return testManagerWith(t, s, rt, func(*Options) {})
}

func testManagerWith(t *testing.T, s *store.Store, rt upstream.Runtime, change func(*Options)) *Manager {
	log := zap.NewNop()
	o := Options{
		Store: s, Runtime: rt, Logger: log,
		Ledger:       sessions.New(s, log, time.Now, rand.Reader),
		Tokens:       tokens.New(s, tokens.Options{}, log),
		PollInterval: 30 * time.Millisecond, RefreshInterval: 100 * time.Millisecond,
		MaxBackoff: 50 * time.Millisecond,
	}
	change(&o)
	m := New(o)
	m.Configure(Settings{
		Settings:     resolved.Settings{Catalog: gateway.Catalog{Engines: []gateway.Engine{{Name: "spark", Image: "x"}}}},
		StartTimeout: 30 * time.Second,
	})
	m.Run()
	t.Cleanup(func() { m.Close(false) })
	return m
}

func create(t *testing.T, m *Manager, name string, start bool) *gateway.Gateway {
	t.Helper()
	g, err := m.Create(context.Background(), CreateRequest{Spec: gateway.Spec{Name: name}, Start: start})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// await polls, since servers and Redis are real; it ends as soon as it can.
func await(t *testing.T, m *Manager, id string, what string, ok func(*gateway.Gateway) bool) *gateway.Gateway {
	t.Helper()
	var g *gateway.Gateway
	for range 3000 {
		var err error
		if g, err = m.Store.Gateway(context.Background(), id); err == nil && ok(g) {
			return g
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waiting for %s: gateway is %+v", what, g)
	return nil
}

func inState(s gateway.State) func(*gateway.Gateway) bool {
	return func(g *gateway.Gateway) bool { return g.Status.State == s }
}

func TestAGatewaysLife(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	m := testManager(t, s, rt)
	ctx := context.Background()

	g := create(t, m, "etl", false)
	if full := m.Effective(g); g.Status.State != gateway.StateCreated || full.CPU != 1 || full.Memory != "4Gi" || full.Engine != "spark" {
		t.Errorf("created %+v", g)
	}
	if _, err := m.Start(ctx, g, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
	if g.Status.LivyVersion != "0.8.0-incubating" || g.Status.Address == "" || g.Status.Epoch != 1 {
		t.Errorf("running %+v", g.Status)
	}
	if e, err := m.Lookup("default", "etl"); err != nil || e.Gateway.ID != g.ID {
		t.Errorf("lookup: %+v, %v", e, err)
	}
	if _, err := m.Start(ctx, g, gateway.By("ann")); err != nil {
		t.Errorf("starting what runs: %v", err)
	}
	if _, err := m.Delete(ctx, g, false, gateway.Order{}); gateway.KindOf(err) != gateway.KindConflict {
		t.Errorf("deleting what runs: %v, want a conflict", err)
	}
	if _, err := m.Stop(ctx, g, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	g = await(t, m, g.ID, "stopped", inState(gateway.StateStopped))
	if running, starts := rt.count(); running != 0 || starts != 1 {
		t.Errorf("%d servers running after %d starts", running, starts)
	}
	if _, _, err := m.Tokens.Create(ctx, tokens.CreateRequest{GatewayID: g.ID, Settings: tokens.Settings{Name: new("t")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Delete(ctx, g, false, gateway.Order{}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Lookup("default", "etl"); gateway.KindOf(err) != gateway.KindNotFound {
		t.Errorf("lookup of a deleted gateway: %v", err)
	}
}

func TestACrashedServerIsStartedAgain(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	m := testManager(t, s, rt)
	g := create(t, m, "etl", true)
	await(t, m, g.ID, "running", inState(gateway.StateRunning))
	if err := s.SaveRecords(context.Background(), store.Fence{}, g.ID, &store.Record{ID: "livy-lost", Kind: "session", PublicID: 6, LivyID: 6, Epoch: 1, Created: time.Now()}); err != nil {
		t.Fatal(err)
	}
	rt.crash(g.ID)
	g = await(t, m, g.ID, "the second server", func(g *gateway.Gateway) bool {
		return g.Status.State == gateway.StateRunning && g.Status.Epoch == 2
	})
	if g.Status.SessionBase != 7 || g.Status.Restarts != 1 {
		t.Errorf("after the crash: %+v", g.Status)
	}
	r, err := s.Record(context.Background(), g.ID, "session", 6)
	if err != nil || r.State != "dead" {
		t.Errorf("record of the lost session: %+v, %v", r, err)
	}
}

func TestTheNextProcessFindsTheServer(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	first := testManager(t, s, rt)
	g := create(t, first, "etl", true)
	await(t, first, g.ID, "running", inState(gateway.StateRunning))
	first.Close(true)

	second := testManager(t, s, rt)
	time.Sleep(150 * time.Millisecond) // some polls
	g = await(t, second, g.ID, "running", inState(gateway.StateRunning))
	if _, starts := rt.count(); starts != 1 || g.Status.Epoch != 1 {
		t.Errorf("%d starts, status %+v: the server was not kept", starts, g.Status)
	}
}

func TestStopOnExit(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	m := testManager(t, s, rt)
	settings := *m.settings.Load()
	settings.StopOnExit = true
	m.Configure(settings)
	g := create(t, m, "etl", true)
	await(t, m, g.ID, "running", inState(gateway.StateRunning))
	m.Close(true)
	if running, _ := rt.count(); running != 0 {
		t.Errorf("%d servers left", running)
	}
	testManager(t, s, rt)
	await(t, m, g.ID, "running again", func(g *gateway.Gateway) bool {
		return g.Status.State == gateway.StateRunning && g.Status.Epoch == 2 && g.Status.Restarts == 0
	})
}

func TestFailuresAreShown(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	rt.startErr = errors.New("no such image")
	m := testManager(t, s, rt)
	g := create(t, m, "etl", true)
	g = await(t, m, g.ID, "error", inState(gateway.StateError))
	if !strings.Contains(g.Status.Reason, "no such image") || strings.Contains(g.Status.Reason, "the last words") {
		t.Errorf("reason %q", g.Status.Reason)
	}
	rt.mu.Lock()
	rt.startErr = nil
	rt.mu.Unlock()
	await(t, m, g.ID, "running after all", inState(gateway.StateRunning))
}

func TestAServerThatNeverAnswers(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	rt.mute = true
	m := testManager(t, s, rt)
	settings := *m.settings.Load()
	settings.StartTimeout = 500 * time.Millisecond
	m.Configure(settings)
	g := create(t, m, "etl", true)
	g = await(t, m, g.ID, "error", inState(gateway.StateError))
	if g.Status.Reason != "the Livy server did not answer within 500ms; last lines: the last words" {
		t.Errorf("reason %q", g.Status.Reason)
	}
	if _, err := m.Stop(context.Background(), g, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	await(t, m, g.ID, "stopped", inState(gateway.StateStopped))
	if running, _ := rt.count(); running != 0 {
		t.Errorf("%d servers left behind", running)
	}
}

func TestCreateRefusesBadInput(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	for _, tc := range []struct {
		name, field string
		r           CreateRequest
	}{
		{"no name", "name", CreateRequest{}},
		{"upper case", "name", CreateRequest{Spec: gateway.Spec{Name: "ETL"}}},
		{"ends in a hyphen", "name", CreateRequest{Spec: gateway.Spec{Name: "etl-"}}},
		{"64 characters", "name", CreateRequest{Spec: gateway.Spec{Name: strings.Repeat("a", 64)}}},
		{"workspace", "workspace", CreateRequest{Workspace: "a/b", Spec: gateway.Spec{Name: "etl"}}},
		{"cpu", "cpu", CreateRequest{Spec: gateway.Spec{Name: "etl", CPU: 3}}},
		{"memory", "memory", CreateRequest{Spec: gateway.Spec{Name: "etl", Memory: "5Gi"}}},
		{"engine", "engine", CreateRequest{Spec: gateway.Spec{Name: "etl", Engine: "spark-9"}}},
		{"queue", "queue", CreateRequest{Spec: gateway.Spec{Name: "etl", Queue: "a b"}}},
		{"identity", "identity", CreateRequest{Spec: gateway.Spec{Name: "etl", Identity: "a b"}}},
		{"owned key", "livy.conf line 2", CreateRequest{Spec: gateway.Spec{Name: "etl", LivyConf: "# ours\nlivy.server.port 1\n"}}},
		{"blacklist", "spark-blacklist.conf:1", CreateRequest{Spec: gateway.Spec{Name: "etl", SparkBlacklist: "not a key"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := m.Create(context.Background(), tc.r)
			var e *gateway.Error
			if !errors.As(err, &e) || e.Kind != gateway.KindInvalid {
				t.Fatalf("error %v, want an invalid one", err)
			}
			if e.Field != tc.field {
				t.Errorf("field %q, want %q (%v)", e.Field, tc.field, err)
			}
		})
	}
	if all, _ := m.List(context.Background(), ""); len(all) != 0 {
		t.Errorf("%d gateways were created", len(all))
	}
}
