package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

// TestRestore puts an old dump of Redis back in place, with Caddy stopped, and under
// a Caddy that goes on, as when a Redis without an append-only file crashes. Since the
// dump was made things went on: creates, a server restarted, one stopped, a gateway
// made, tokens made and revoked. No public id is given out twice, servers that
// the dump does not know are ended, and gateways work.
func TestRestore(t *testing.T) {
	for name, stopped := range map[string]bool{"Caddy stopped": true, "Caddy running": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			restore(t, stopped)
		})
	}
}

// doubles are lines of the livy block with which each gateway has a process of its
// own that is a double of Livy, and the folder where they are noted.
func doubles(t *testing.T) (block, stateDir string) {
	t.Helper()
	livyHome, sparkHome := upstreamtest.FakeHomes(t)
	stateDir = t.TempDir()
	return "runtime process {\n\t\t\tstate_dir " + stateDir + "\n\t\t}\n\t\tengine fake {\n\t\t\tlivy_home " + livyHome + "\n\t\t\tspark_home " + sparkHome + "\n\t\t}", stateDir
}

func restore(t *testing.T, stopped bool) {
	redis := storetest.StartServer(t, "--appendonly", "no")
	block, stateDir := doubles(t)
	c := newCaddy(t, redis, block)
	kept := []string{"stays", "restarted", "stopped"}
	clients, told := map[string]client{}, map[string]string{}
	// creates makes a session and two batches on each gateway; ids are new ones.
	creates := func(when string) {
		t.Helper()
		for _, name := range kept {
			for _, path := range []string{"/batches", "/sessions", "/batches"} {
				body := map[string]any{"file": "hdfs:///job.py"}
				if path == "/sessions" {
					body = map[string]any{"kind": "pyspark"}
				}
				cl, ok := clients[name]
				if !ok {
					continue
				}
				var made struct{ ID int64 }
				cl.expect(http.StatusCreated, "POST", path, body, &made)
				id := fmt.Sprintf("%s%s/%d", name, path, made.ID)
				if before := told[id]; before != "" {
					t.Errorf("%s was given out %s, and again %s", id, before, when)
				}
				told[id] = when
				cl.expect(http.StatusOK, "GET", fmt.Sprintf("%s/%d", path, made.ID), nil, nil)
			}
		}
	}
	serves := func(name string) {
		t.Helper()
		eventually(t, 60*time.Second, "gateway "+name+" serves", func() bool {
			r, err := clients[name].try("GET", "/batches", nil)
			return err == nil && r.status == http.StatusOK && c.show(name).Status.State == "Running"
		})
	}
	for _, name := range kept {
		c.newGateway(name)
		clients[name] = client{t: t, base: c.url(name), token: c.newToken(name).Token}
	}
	doomed := c.newToken("stays")
	creates("before the dump")
	records := len(c.records("stays"))
	redis.MustDo("SAVE")
	dump, err := os.ReadFile(filepath.Join(redis.Dir(), "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}

	creates("after the dump")
	before := c.show("restarted")
	c.livy("gateway", "restart", "restarted", "--wait")
	creates("after the restart")
	c.livy("gateway", "stop", "stopped", "--wait")
	stoppedClient := clients["stopped"]
	delete(clients, "stopped")
	late := c.newGateway("late")
	lateToken := c.newToken("stays")
	c.livy("token", "revoke", "--gateway", "stays", doomed.ID)
	creates("last of all")
	time.Sleep(6 * time.Second) // less than this Redis may lose without a word
	if stopped {
		c.stop()
	}
	redis.Kill()
	if err := os.WriteFile(filepath.Join(redis.Dir(), "dump.rdb"), dump, 0o600); err != nil {
		t.Fatal(err)
	}
	redis.Restart()
	t.Cleanup(func() { // before that Redis ends
		for _, name := range kept {
			_, _ = c.tryLivy("gateway", "delete", name, "--force")
		}
	})
	if stopped {
		c.start()
	}

	eventually(t, 60*time.Second, "the server of a gateway that nobody knows is ended", func() bool {
		left, _ := filepath.Glob(filepath.Join(stateDir, late.ID, "*", "state.json"))
		return len(left) == 0
	})
	clients["stopped"] = stoppedClient // it ran when the dump was made
	for _, name := range kept {
		serves(name)
	}
	eventually(t, 60*time.Second, "another server in place of the one that is not on record", func() bool {
		g := c.show("restarted")
		return g.Status.State == "Running" && g.Status.Epoch > before.Status.Epoch+1
	})
	creates("after all")
	eventually(t, 30*time.Second, "records of what lives in a server that went on", func() bool {
		return len(c.records("stays")) >= records+3+6
	})
	client{t: t, base: c.url("stays"), token: lateToken.Token}.expect(http.StatusUnauthorized, "GET", "/version", nil, nil)
	if _, err := c.tryLivy("gateway", "show", "late"); err == nil {
		t.Error("a gateway that was made after the dump is there")
	}

	var report struct {
		Results []struct{ Check, Status, Summary, Mend string }
	}
	text, _ := c.tryLivy("doctor", "--json") // has other findings too
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	said := ""
	for _, r := range report.Results {
		if r.Check == "redis history" {
			said = r.Status + " " + r.Summary
		}
	}
	t.Logf("the doctor says: %s", said)
	if !strings.HasPrefix(said, "warn Redis was rolled back") {
		t.Errorf("the doctor says %q of what was lost", said)
	}
	// What docs/operations.md says about tokens that were revoked.
	cl := client{t: t, base: c.url("stays"), token: doomed.Token}
	cl.expect(http.StatusOK, "GET", "/version", nil, nil)
	for line := range strings.Lines(c.log()) {
		var l struct{ Msg, Gateway, Token string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "token revoked" {
			c.livy("token", "revoke", "--gateway", l.Gateway, l.Token)
		}
	}
	eventually(t, 2*time.Second, "the token being revoked anew", func() bool {
		return cl.do("GET", "/version", nil).status == http.StatusUnauthorized
	})
}
