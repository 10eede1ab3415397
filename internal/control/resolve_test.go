package control

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestAGatewayIsResolvedOnce: when it is created. Its start, its polls, what the API
// shows and the tokens' policies go by that, until settings change.
func TestAGatewayIsResolvedOnce(t *testing.T) {
	s, _ := storetest.Mini(t)
	log := zap.NewNop()
	m := New(Options{
		Store: s, Runtime: newFakeRuntime(t), Logger: log, Ledger: sessions.New(s, log, time.Now, strings.NewReader(strings.Repeat("x", 1<<16))),
		Tokens: tokens.New(s, tokens.Options{}, log), PollInterval: 20 * time.Millisecond, RefreshInterval: 50 * time.Millisecond,
	})
	var times atomic.Int64
	m.newResolved = func(s *resolved.Settings, spec gateway.Spec) *resolved.Gateway {
		times.Add(1)
		return resolved.New(s, spec)
	}
	settings := Settings{Settings: resolved.Settings{Catalog: gateway.Catalog{Engines: []gateway.Engine{{Name: "spark"}}}}, StartTimeout: time.Minute}
	m.Configure(settings)
	m.Run()
	t.Cleanup(func() { m.Close(false) })
	g, err := m.Create(context.Background(), CreateRequest{Start: true, Spec: gateway.Spec{
		Name: "etl", LivyConf: "livy.server.session.timeout 2h", SparkDefaults: "spark.driver.cores 2", SparkBlacklist: "spark.ui.*",
	}})
	if err != nil {
		t.Fatal(err)
	}
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
	if n := times.Load(); n != 1 {
		t.Errorf("resolved %d times from its creation until it runs", n)
	}
	use := func() {
		m.Notes(g)
		m.RestartNeeded(g)
		m.Livy(g)
		if _, _, err := m.Rules(g); err != nil {
			t.Error(err)
		}
		if err := m.CheckToken(g, "ann", "root.etl"); err != nil {
			t.Error(err)
		}
	}
	use()
	if n := times.Load(); n != 1 {
		t.Errorf("resolved %d times in all", n)
	}
	m.Configure(settings)
	use()
	if n := times.Load(); n != 2 {
		t.Errorf("resolved %d times with the settings configured again", n)
	}
	patch(t, m, g, false, `{"queue":"root.etl"}`)
	if n := times.Load(); n != 3 {
		t.Errorf("resolved %d times after an update", n)
	}
}

// TestDefaultsAreTheOperators: what nobody has set is not stored, follows the
// configuration, and takes effect at the next start.
func TestDefaultsAreTheOperators(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	g := create(t, m, "etl", true)
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
	if g.Spec.CPU != 0 || g.Spec.Memory != "" || g.Spec.Engine != "" || g.Spec.LivyVersion != "" {
		t.Errorf("stored: %+v", g.Spec)
	}
	configure(m, func(s *Settings) {
		s.Catalog.Memories = []string{"8Gi", "16Gi"}
		s.Catalog.Engines = []gateway.Engine{{Name: "new", Master: "yarn"}, {Name: "spark"}}
	})
	if full := m.Effective(g); full.Memory != "8Gi" || full.Engine != "new" {
		t.Errorf("with new defaults: %+v", full)
	}
	if now := m.resolve(g).inForce; now.Spec.Memory != "4Gi" || now.Spec.Engine != "spark" || now.Master != "local[1]" {
		t.Errorf("requests to the server that runs go by %+v", now.Spec)
	}
	if p := m.RestartNeeded(g); !slices.Equal(p, []string{"engine", "memory"}) {
		t.Errorf("a restart is needed for %q", p)
	}
	// A setting that somebody makes later changes nothing of that.
	g = patch(t, m, g, false, `{"queue":"root.etl"}`)
	if now := m.resolve(g).inForce; now.Master != "local[1]" || g.Status.StartedWith != nil {
		t.Errorf("after an update: %s, %+v", now.Master, g.Status.StartedWith)
	}
	// The engine that the server was started with may go: the gateway does not name it.
	without := *m.Catalog()
	without.Engines = without.Engines[:1]
	if err := m.CheckCatalog(&without, nil); err != nil {
		t.Error(err)
	}
	patch(t, m, g, true, `{}`)
	g = await(t, m, g.ID, "the second server", func(g *gateway.Gateway) bool {
		return g.Status.State == gateway.StateRunning && g.Status.Epoch == 2
	})
	if now := m.resolve(g).inForce; now.Master != "yarn" || len(m.RestartNeeded(g)) != 0 {
		t.Errorf("after the restart: %s, %q", now.Master, m.RestartNeeded(g))
	}
}

// TestGatewaysOfTheVersionBefore have the defaults of their time in their settings:
// those are theirs until somebody takes them back.
func TestGatewaysOfTheVersionBefore(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	full := gateway.Spec{Name: "etl", CPU: 1, Memory: "4Gi", Engine: "spark", LivyVersion: "0.8.0"}
	g, err := m.Create(context.Background(), CreateRequest{Spec: full, Start: true})
	if err != nil {
		t.Fatal(err)
	}
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
	if g.Status.LaunchDefaults != nil {
		t.Errorf("defaults of a gateway that has none: %+v", g.Status.LaunchDefaults)
	}
	// The marks that the version before wrote for these settings.
	for field, want := range map[string]string{"cpu": "6b86b273ff34", "memory": "067f054ab12b", "engine": "4c11b8c6146a", "livyVersion": "80d9e8f9c584"} {
		if g.Status.Launched[field] != want {
			t.Errorf("fingerprint of %s: %s, want %s", field, g.Status.Launched[field], want)
		}
	}
	configure(m, func(s *Settings) { s.Catalog.Memories = []string{"8Gi", "4Gi"} })
	if p := m.RestartNeeded(g); len(p) != 0 || m.Effective(g).Memory != "4Gi" {
		t.Errorf("new defaults change it: %q", p)
	}
	// A configuration that declares it without them leaves them to the operator.
	declare(t, m, Declaration{Spec: gateway.Spec{Name: "etl"}})
	g = await(t, m, g.ID, "declared", func(g *gateway.Gateway) bool { return g.Declared })
	if p := m.RestartNeeded(g); g.Spec.Memory != "" || !slices.Equal(p, []string{"memory"}) || m.resolve(g).inForce.Spec.Memory != "4Gi" {
		t.Errorf("declared: %+v, a restart is needed for %q", g.Spec, p)
	}
}

// TestCheckDeclaredWithAHistoryServer: it needs no runtime.
func TestCheckDeclaredWithAHistoryServer(t *testing.T) {
	s := &resolved.Settings{
		Catalog: gateway.Catalog{Engines: []gateway.Engine{{Name: "spark"}}},
		History: &gateway.HistoryServer{URL: "http://h", EventLogs: t.TempDir()},
	}
	if err := CheckDeclared(s, []Declaration{{Spec: gateway.Spec{Name: "etl"}}}); err != nil {
		t.Error(err)
	}
	err := CheckDeclared(s, []Declaration{{Spec: gateway.Spec{Name: "good"}}, {Spec: gateway.Spec{Name: "bad", CPU: 3}}})
	if err == nil || !strings.Contains(err.Error(), `gateway "bad": cpu`) {
		t.Errorf("error %v", err)
	}
}
