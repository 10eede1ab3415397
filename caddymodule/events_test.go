package caddymodule_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyevents/eventsconfig"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

func init() { caddy.RegisterModule(new(noted)) }

// noted is an event handler that records events, with the name of the configuration that it is
// in.
type noted struct {
	Name string `json:"name"`
}

var told struct {
	sync.Mutex
	events []string
}

func (*noted) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.noted", New: func() caddy.Module { return new(noted) }}
}

func (n *noted) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.Args(&n.Name) {
		return d.ArgErr()
	}
	return nil
}

func (n *noted) Handle(_ context.Context, e caddy.Event) error {
	told.Lock()
	defer told.Unlock()
	told.events = append(told.events, fmt.Sprint(n.Name, " ", e.Name(), " ", e.Data["workspace"], "/", e.Data["gateway"], " ", e.Data["id"], " ", e.Data["state"], " ", e.Data["reason"]))
	return nil
}

func TestEvents(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	with := func(name string) string {
		events := "events {\n"
		for _, e := range []string{"livy_gateway_started", "livy_gateway_stopped", "livy_gateway_failed"} {
			events += "on " + e + " noted " + name + "\n"
		}
		return strings.Replace(s.Config, "	livy {", events+"}\n	livy {", 1)
	}
	expect := func(want ...string) {
		t.Helper()
		s.Await(func() bool {
			told.Lock()
			defer told.Unlock()
			return len(told.events) >= len(want)
		})
		told.Lock()
		defer told.Unlock()
		for i, e := range told.events {
			if i >= len(want) || !strings.HasPrefix(e, want[i]) {
				t.Errorf("%q, want what begins with %q", told.events, want)
				break
			}
		}
		told.events = nil
	}
	m := core.InForce().Manager
	etl := "default/etl " + s.Gateway.ID
	s.Load(with("one"))
	if _, err := m.Stop(t.Context(), s.Gateway, gateway.By("test")); err != nil {
		t.Fatal(err)
	}
	s.AwaitState("etl", gateway.StateStopped)
	expect("one livy_gateway_stopped " + etl + " Stopped")
	s.Load(with("two"))
	if _, err := m.Start(t.Context(), s.Gateway, gateway.By("test")); err != nil {
		t.Fatal(err)
	}
	s.AwaitState("etl", gateway.StateRunning)
	expect("two livy_gateway_started " + etl + " Running")

	// Runtime static cannot provide a cluster.
	conf := t.TempDir()
	if err := os.WriteFile(filepath.Join(conf, "yarn-site.xml"), []byte("<configuration></configuration>"), 0o600); err != nil {
		t.Fatal(err)
	}
	clusters := strings.Replace(with("three"), "local_dir /data", "local_dir /data\ncluster lake {\nmaster yarn\nconf_dir "+conf+"\n}", 1)
	s.Load(clusters)
	s.Respecify(func(spec *gateway.Spec) { spec.Cluster = "lake" })
	if _, err := m.Restart(t.Context(), s.Gateway, gateway.By("test")); err != nil {
		t.Fatal(err)
	}
	s.AwaitState("etl", gateway.StateError)
	if _, err := m.Stop(t.Context(), s.Gateway, gateway.By("test")); err != nil {
		t.Fatal(err)
	}
	expect("three livy_gateway_failed "+etl+" Error runtime static starts no server", "three livy_gateway_stopped "+etl)
}
