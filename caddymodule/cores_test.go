package caddymodule

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/upstream"
)

// loadText loads a configuration whose livy option has these lines.
func loadText(t *testing.T, livy, sites string) error {
	t.Helper()
	text := "{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\tlivy {\n" + livy + "\n\t}\n}\n" + sites
	t.Cleanup(func() { _ = caddy.Stop() })
	return load(t, text)
}

func load(t *testing.T, caddyfile string) error {
	t.Helper()
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		t.Fatal(err)
	}
	return caddy.Load(config, true)
}

// Configurations that differ in how servers are run must not share a core: it
// would go on running them in the old way.
func TestAReloadWithAnotherRuntimeMakesAnotherCore(t *testing.T) {
	redis := "\t\tredis redis://" + miniredis.RunT(t).Addr() + "/0\n"
	const engine = "\n\t\tengine x {\n\t\t\turl http://127.0.0.1:1\n\t\t\timage x\n\t\t\tlivy_home /x\n\t\t\tspark_home /x\n\t\t}\n"
	var last *core
	for _, runtime := range []string{
		"runtime static", "runtime process", "runtime process {\nstate_dir " + t.TempDir() + "\n}",
		"runtime docker", "runtime docker {\nnamespace other\n}",
	} {
		if err := loadText(t, redis+runtime+engine, ""); err != nil {
			t.Fatal(err)
		}
		now := current.Load()
		if now == last {
			t.Errorf("%s: the core is the one of the runtime before it", runtime)
		}
		if name := now.manager.Runtime.Name(); !strings.HasPrefix(runtime, "runtime "+name) {
			t.Errorf("%s: servers are run by runtime %s", runtime, name)
		}
		last = now
	}
}

// A configuration that cannot be started leaves all as it was, the admin
// endpoint's part too.
func TestAFailedReloadLeavesTheCoreInForce(t *testing.T) {
	s := newSite(t, livytest.New())
	before := current.Load()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	// Apps are started in the order of a map: in one of these tries ours is first.
	for range 12 {
		other := fmt.Sprintf("\t\tredis redis://%s/0\n\t\truntime static\n\t\tengine x {\n\t\t\turl http://127.0.0.1:1\n\t\t}", miniredis.RunT(t).Addr())
		if err := loadText(t, other, "http://"+taken.Addr().String()+" {\n\tlivy_gateway\n}\n"); err == nil {
			t.Fatal("a configuration with an address that is taken was started")
		}
		if current.Load() != before {
			t.Fatal("the core in force is not the one of the configuration in force")
		}
	}
	const month = 30 * 24 * time.Hour
	for range 12 {
		other := strings.Replace(s.config, "local_dir /data", "local_dir /data\nretention 2h", 1)
		other = strings.Replace(other, s.public, taken.Addr().String(), 1)
		if err := load(t, other); err == nil {
			t.Fatal("a configuration with an address that is taken was started")
		}
		if got := before.ledger.SetRetention(month); got != month {
			t.Fatalf("records are kept for %s now, as the configuration says that was not started", got)
		}
	}
}

// closing is a runtime that counts how often it is closed.
type closing struct {
	upstream.Runtime
	StaticRuntime `json:"-"`
	closed        int
}

func (c *closing) Open(log *zap.Logger) (upstream.Runtime, error) {
	var err error
	c.Runtime, err = c.StaticRuntime.Open(log)
	return c, err
}

func (c *closing) Close() error { c.closed++; return nil }

func TestACoreClosesItsRuntime(t *testing.T) {
	var r closing
	bad := &App{Redis: &Redis{URL: "http://127.0.0.1:1"}}
	if _, err := newCore(bad, &r); err == nil || r.closed != 1 {
		t.Errorf("error %v, closed %d times; want one that names the URL, and once", err, r.closed)
	}
	r.closed = 0
	c, err := newCore(&App{Redis: &Redis{URL: "redis://127.0.0.1:1/0"}}, &r)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Destruct(); err != nil || r.closed != 1 {
		t.Errorf("Destruct: %v, and the runtime was closed %d times", err, r.closed)
	}
}
