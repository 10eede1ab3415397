package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

// listed is what "caddy livy gateway list --json" prints.
type listed struct {
	ID   string `json:"id"`
	Spec struct {
		Name string `json:"name"`
		CPU  int    `json:"cpu"`
	} `json:"spec"`
	Declared bool `json:"declared"`
	Status   struct {
		State    string `json:"state"`
		Instance string `json:"instance"`
	} `json:"status"`
	RestartNeeded []string `json:"restartNeeded"`
}

func (c *caddy) list() map[string]listed {
	c.t.Helper()
	var list struct{ Gateways []listed }
	c.json(&list, "gateway", "list", "--json")
	byName := make(map[string]listed)
	for _, g := range list.Gateways {
		byName[g.Spec.Name] = g
	}
	return byName
}

func (c *caddy) awaitStates(what string, states map[string]string) map[string]listed {
	c.t.Helper()
	var now map[string]listed
	eventually(c.t, time.Minute, what, func() bool {
		now = c.list()
		for name, state := range states {
			if now[name].Status.State != state {
				return false
			}
		}
		return true
	})
	return now
}

// TestDeclaredGateways reloads a Caddyfile with ten gateways in it after one was
// removed, one changed and one added: exactly these are touched. A Caddyfile that
// cannot be put into force touches none.
func TestDeclaredGateways(t *testing.T) {
	livyHome, sparkHome := upstreamtest.FakeHomes(t)
	redis := storetest.StartServer(t)
	states := t.TempDir()
	block := func(gateways ...string) string {
		return fmt.Sprintf("runtime process {\n\t\t\tstate_dir %s\n\t\t}\n\t\ton_exit stop\n\t\tengine fake {\n\t\t\tlivy_home %s\n\t\t\tspark_home %s\n\t\t}\n\t\t%s",
			states, livyHome, sparkHome, strings.Join(gateways, "\n\t\t"))
	}
	var ten []string
	running := make(map[string]string)
	for i := range 10 {
		ten = append(ten, fmt.Sprintf("gateway g%d", i))
		running[fmt.Sprintf("g%d", i)] = "Running"
	}
	c := newCaddy(t, redis, block(ten...))
	t.Cleanup(c.stop) // with all servers
	before := c.awaitStates("ten gateways", running)
	c.newToken("g0")

	next := append([]string{"gateway g1 {\n\t\t\tcpu 2\n\t\t}"}, ten[2:]...)
	next = append(next, "gateway g10")
	text := c.text(redis.Addr(), block(next...))

	// The http app cannot start on a port that is taken.
	c.write(text + "\nhttp://" + redis.Addr() + " {\n\trespond no\n}\n")
	if out, err := c.tryReload(); err == nil {
		t.Fatalf("reloading with a taken port succeeded:\n%s", out)
	}
	if now := c.list(); len(now) != 10 || now["g0"].Status.State != "Running" || !now["g0"].Declared || now["g1"].Spec.CPU != 1 {
		t.Errorf("a reload that failed left %+v", now)
	}

	c.write(text)
	c.reload()
	running["g0"], running["g10"] = "Stopped", "Running"
	after := c.awaitStates("the changes", running)
	for name, was := range before {
		now := after[name]
		switch name {
		case "g0":
			if now.Declared || now.ID != was.ID {
				t.Errorf("removed: %+v, was %+v", now, was)
			}
		case "g1":
			if now.Spec.CPU != 2 || now.Status.Instance != was.Status.Instance || strings.Join(now.RestartNeeded, " ") != "cpu" {
				t.Errorf("changed: %+v, was %+v", now, was)
			}
		default:
			if now.Status.Instance != was.Status.Instance || now.RestartNeeded != nil {
				t.Errorf("not meant: %+v, was %+v", now, was)
			}
		}
	}
	var tokens struct{ Tokens []token }
	if c.json(&tokens, "token", "list", "--gateway", "g0", "--json"); len(tokens.Tokens) != 1 {
		t.Errorf("the removed gateway has %d tokens left", len(tokens.Tokens))
	}
	c.livy("gateway", "restart", "g1", "--wait")
	if now := c.list()["g1"]; now.Status.Instance == before["g1"].Status.Instance || now.RestartNeeded != nil {
		t.Errorf("restarted: %+v", now)
	}
	for _, args := range [][]string{{"gateway", "update", "g2", "--public"}, {"gateway", "delete", "g2", "--force"}} {
		if _, err := c.tryLivy(args...); err == nil || !strings.Contains(err.Error(), "declared in the configuration") {
			t.Errorf("%v: %v", args, err)
		}
	}
	c.livy("gateway", "delete", "g0", "--yes")
}
