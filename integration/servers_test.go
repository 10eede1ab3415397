package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestServers has a gateway with two servers and a session on each. One server is killed: its
// session ends, the other one answers all the time and keeps its variable, and a new session
// starts.
func TestServers(t *testing.T) { onEachRuntime(t, testServers) }

func testServers(t *testing.T, l live) {
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock)
	patience := filepath.Join(c.dir, "livy-client.conf")
	write(t, patience, "livy.rsc.server.connect.timeout = 5m\n") // drivers start slowly on a busy machine
	c.newGateway("etl", "--servers", "2", "--livy-client-conf", patience)
	serve := func() bool {
		return strings.Contains(c.livy("gateway", "show", "etl"), "2 of 2 Livy servers serve")
	}
	eventually(t, 2*time.Minute, "two servers", serve)
	d := &drained{t, c, client{t, c.url("etl"), c.newToken("etl").Token}}
	var ids [2]int
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() { ids[i] = d.session(fmt.Sprintf("s%d", i)) })
	}
	wg.Wait()
	lost, kept := ids[0], ids[1]
	d.run(kept, "x = 41\nprint(x)")
	var g struct {
		Status struct {
			Number, SessionBase, SessionEnd int
			Servers                         []struct{ Number, SessionBase, SessionEnd int }
		}
	}
	c.json(&g, "gateway", "show", "etl", "--json")
	number := max(1, g.Status.Number) // of the server with the session to be lost
	for _, v := range g.Status.Servers {
		if lost >= v.SessionBase && lost < v.SessionEnd {
			number = v.Number
		}
		if first, second := lost >= v.SessionBase && lost < v.SessionEnd, kept >= v.SessionBase && kept < v.SessionEnd; first == second {
			t.Fatalf("sessions %v are on one server: %+v", ids, g)
		}
	}
	l.killServer(t, number)
	if x := d.run(kept, "print(x + 1)"); x != "42" {
		t.Errorf("the session on the other server answers %s", x)
	}
	eventually(t, time.Minute, "the end of the session on the killed server", func() bool {
		r := d.do("GET", fmt.Sprintf("/sessions/%d", lost), nil)
		return r.status == http.StatusNotFound && strings.Contains(string(r.body), "the Livy server ended")
	})
	if state := c.show("etl").Status.State; state != "Running" {
		t.Errorf("the gateway is %s", state)
	}
	eventually(t, 2*time.Minute, "the killed server's restart", serve)
	if x := d.run(kept, "print(x + 2)"); x != "43" {
		t.Errorf("after the restart, the session answers %s", x)
	}
	d.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark", "driverMemory": "1g"}, nil)
}

// killServer kills the server with this number of the only gateway.
func (l live) killServer(t *testing.T, number int) {
	t.Helper()
	if l.runtime == "docker" {
		out, err := exec.Command("docker", "ps", "-q", "--filter", "label=io.github.livygateway.number="+strconv.Itoa(number),
			"--filter", "label=io.github.livygateway.namespace="+l.namespace).Output()
		if ids := strings.Fields(string(out)); err != nil || len(ids) != 1 {
			t.Fatalf("containers of server %d: %s %v", number, out, err)
		}
		if out, err := exec.Command("docker", "kill", strings.TrimSpace(string(out))).CombinedOutput(); err != nil {
			t.Fatalf("killing a container: %v\n%s", err, out)
		}
		return
	}
	files, _ := filepath.Glob(filepath.Join(l.stateDir, "*", "*", "state.json"))
	for _, f := range files {
		var s struct{ PID int }
		second := strings.Contains(f, ".2"+string(filepath.Separator))
		text, err := os.ReadFile(f)
		if err == nil && second == (number == 2) && json.Unmarshal(text, &s) == nil && s.PID > 1 {
			_ = syscall.Kill(-s.PID, syscall.SIGKILL)
			_ = syscall.Kill(s.PID, syscall.SIGKILL)
			return
		}
	}
	t.Fatalf("no process of server %d among %v", number, files)
}
