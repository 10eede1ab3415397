package control

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// declare puts gateways into a configuration's force, as the Caddy surface does.
func declare(t *testing.T, m *Manager, list ...Declaration) {
	t.Helper()
	if err := CheckDeclared(&m.settings.Load().Settings, list); err != nil {
		t.Fatal(err)
	}
	m.Declare(list)
}

func byName(t *testing.T, m *Manager, name string) *gateway.Gateway {
	t.Helper()
	var found *gateway.Gateway
	for range 3000 {
		if g, err := m.Get(context.Background(), "default", name); err == nil {
			found = g
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if found == nil {
		t.Fatalf("no gateway %s", name)
	}
	return found
}

// TestDeclaredGateways takes ten gateways through a change of the configuration.
func TestDeclaredGateways(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	m := testManager(t, s, rt)
	ctx := context.Background()

	var list []Declaration
	for i := range 10 {
		list = append(list, Declaration{Spec: gateway.Spec{Name: fmt.Sprintf("g%d", i)}})
	}
	declare(t, m, list...)
	before := make(map[string]*gateway.Gateway)
	for _, d := range list {
		g := byName(t, m, d.Spec.Name)
		before[d.Spec.Name] = await(t, m, g.ID, "running", inState(gateway.StateRunning))
	}
	if g := before["g0"]; !g.Declared || g.CreatedBy != gateway.ConfigActor || g.Spec.CPU != 0 || m.Effective(g).CPU != 1 {
		t.Errorf("declared %+v", g)
	}
	// Somebody stops one of them: a reload leaves it so.
	if _, err := m.Stop(ctx, before["g5"], gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	await(t, m, before["g5"].ID, "stopped", inState(gateway.StateStopped))
	if _, _, err := m.Tokens.Create(ctx, tokens.CreateRequest{GatewayID: before["g0"].ID, Settings: tokens.Settings{Name: new("t")}}); err != nil {
		t.Fatal(err)
	}

	next := append([]Declaration(nil), list[1:]...) // without g0
	next[0].Spec.CPU = 2                            // g1
	next = append(next, Declaration{Spec: gateway.Spec{Name: "g10"}})
	declare(t, m, next...)
	added := byName(t, m, "g10")
	await(t, m, added.ID, "the new one running", inState(gateway.StateRunning))
	removed := await(t, m, before["g0"].ID, "the removed one stopped", inState(gateway.StateStopped))
	if removed.Declared {
		t.Error("the removed one still counts as declared")
	}
	if last := removed.History[len(removed.History)-2]; last.Actor != gateway.ConfigActor || last.Cause != "no longer in the configuration" {
		t.Errorf("stopped by %q because of %q", last.Actor, last.Cause)
	}
	if all, err := m.Tokens.List(ctx, removed.ID); err != nil || len(all) != 1 {
		t.Errorf("%d tokens of the removed one left, %v", len(all), err)
	}
	changed := await(t, m, before["g1"].ID, "the changed one", func(g *gateway.Gateway) bool { return g.Spec.CPU == 2 })
	if changed.Status.Instance != before["g1"].Status.Instance || len(m.RestartNeeded(changed)) == 0 {
		t.Errorf("the changed one: instance %q, pending %v; want its old server, and a restart needed",
			changed.Status.Instance, m.RestartNeeded(changed))
	}
	for i := 2; i < 10; i++ {
		name := fmt.Sprintf("g%d", i)
		g, err := m.Store.Gateway(ctx, before[name].ID)
		if err != nil {
			t.Fatal(err)
		}
		want := gateway.StateRunning
		if name == "g5" {
			want = gateway.StateStopped
		}
		if g.Status.State != want || name != "g5" && (g.Revision != before[name].Revision || g.Status.Instance != before[name].Status.Instance) {
			t.Errorf("%s was touched: %+v", name, g)
		}
	}
	if _, starts := rt.count(); starts != 11 {
		t.Errorf("%d servers were started, want 11", starts)
	}
	if _, err := m.Restart(ctx, changed, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	await(t, m, changed.ID, "restarted", func(g *gateway.Gateway) bool {
		return g.Status.State == gateway.StateRunning && g.Status.Instance != before["g1"].Status.Instance
	})

	// Back again, it is the same gateway with its token, and started.
	declare(t, m, append(next, list[0])...)
	back := await(t, m, removed.ID, "running again", inState(gateway.StateRunning))
	if !back.Declared {
		t.Error("not declared again")
	}
}

func TestDeclaredGatewaysAreReadOnly(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	ctx := context.Background()
	created := create(t, m, "etl", true) // taken over
	await(t, m, created.ID, "running", inState(gateway.StateRunning))
	declare(t, m, Declaration{Spec: gateway.Spec{Name: "etl", Public: true}})
	g := await(t, m, created.ID, "declared", func(g *gateway.Gateway) bool { return g.Declared && g.Spec.Public })
	if g.Status.State != gateway.StateRunning || g.CreatedBy != created.CreatedBy {
		t.Errorf("taken over: %+v", g)
	}
	_, err := m.Update(ctx, g, UpdateRequest{Patch: []byte(`{"public":false}`)})
	if gateway.KindOf(err) != gateway.KindConflict || !strings.Contains(err.Error(), "can only be changed there") {
		t.Errorf("changing it: %v", err)
	}
	for _, force := range []bool{false, true} {
		if _, err := m.Delete(ctx, g, force, gateway.Order{}); gateway.KindOf(err) != gateway.KindConflict || !strings.Contains(err.Error(), "can only be removed there") {
			t.Errorf("deleting it, force %t: %v", force, err)
		}
	}
	declare(t, m)
	g = await(t, m, g.ID, "no longer declared", inState(gateway.StateStopped))
	if _, err := m.Update(ctx, g, UpdateRequest{Patch: []byte(`{"public":false}`)}); err != nil {
		t.Errorf("changing it after it was removed: %v", err)
	}
	if _, err := m.Delete(ctx, g, false, gateway.Order{}); err != nil {
		t.Errorf("deleting it after it was removed: %v", err)
	}
}

// TestDeclaredGatewaysWaitForRedis declares while Redis is away.
func TestDeclaredGatewaysWaitForRedis(t *testing.T) {
	s, redis := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	redis.SetError("LOADING Redis is loading the dataset in memory")
	declare(t, m, Declaration{Spec: gateway.Spec{Name: "first"}})
	declare(t, m, Declaration{Spec: gateway.Spec{Name: "second"}, Manual: true})
	redis.SetError("")
	g := byName(t, m, "second")
	if g.Desired != gateway.StateStopped || g.Status.State != gateway.StateCreated {
		t.Errorf("manual one: %+v", g)
	}
}

func TestCheckDeclared(t *testing.T) {
	settings := &resolved.Settings{Catalog: gateway.Catalog{Engines: []gateway.Engine{{Name: "spark", Image: "x"}}}}
	for _, tc := range []struct {
		name string
		list []Declaration
		want string
	}{
		{"name", []Declaration{{Spec: gateway.Spec{Name: "No"}}}, "name"},
		{"workspace", []Declaration{{Workspace: "No", Spec: gateway.Spec{Name: "a"}}}, "workspace"},
		{"cpu", []Declaration{{Spec: gateway.Spec{Name: "a", CPU: 3}}}, "cpu"},
		{"engine", []Declaration{{Spec: gateway.Spec{Name: "a", Engine: "other"}}}, "engine"},
		{"livy.conf", []Declaration{{Spec: gateway.Spec{Name: "a", LivyConf: "livy.server.port = 1"}}}, "livy.server.port"},
		{"policy.rules", []Declaration{{Spec: gateway.Spec{Name: "a", PolicyRules: "nonsense"}}}, "policy.rules"},
		{"identity", []Declaration{{Spec: gateway.Spec{Name: "a", LivyConf: "livy.impersonation.enabled = true"}}}, "identity"},
		{"twice", []Declaration{{Spec: gateway.Spec{Name: "a"}}, {Workspace: "default", Spec: gateway.Spec{Name: "a"}}}, "declared twice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := CheckDeclared(settings, tc.list); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
	// The same name in two workspaces, and an identity to run as.
	ok := []Declaration{
		{Spec: gateway.Spec{Name: "a", LivyConf: "livy.impersonation.enabled = true", Identity: "ann"}},
		{Workspace: "team", Spec: gateway.Spec{Name: "a"}},
	}
	if err := CheckDeclared(settings, ok); err != nil {
		t.Error(err)
	}
}
