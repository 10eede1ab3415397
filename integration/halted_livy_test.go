package integration

import (
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// halt stops a gateway's Livy server in its tracks, as a long garbage collection or a
// stuck disk does; the function that it returns lets the server go on.
func halt(t *testing.T, l live, g gateway) (goOn func()) {
	t.Helper()
	if l.runtime == "docker" {
		return pause(t, g.container())
	}
	text, _, _ := strings.Cut(g.Status.Instance, "-") // pid and start time
	pid, err := strconv.Atoi(text)
	if err != nil || pid < 2 {
		t.Fatalf("no process id in instance %q", g.Status.Instance)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("halting Livy: %v", err)
	}
	goOn = sync.OnceFunc(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	t.Cleanup(goOn)
	return goOn
}

// pause halts a container; the function that it returns lets it go on.
func pause(t *testing.T, id string) (goOn func()) {
	t.Helper()
	if out, err := exec.Command("docker", "pause", id).CombinedOutput(); err != nil {
		t.Fatalf("halting Livy: %v: %s", err, out)
	}
	goOn = sync.OnceFunc(func() { _ = exec.Command("docker", "unpause", id).Run() })
	t.Cleanup(goOn)
	return goOn
}

// TestHaltedLivy halts a real Livy with a live session: for a moment, which nobody
// notices; for longer, when requests are refused at once and nothing is lost; and for
// good, when the server is restarted as the settings say.
func TestHaltedLivy(t *testing.T) {
	onEachRuntime(t, func(t *testing.T, l live) {
		if !l.interactive {
			t.Skip("needs sessions")
		}
		l.livyBlock += "\n\t\t" + haltedLimits
		c, redis, g := lightUp(t, l)
		cl := client{t, c.url("etl"), c.newToken("etl").Token}
		checkHalts(t, c, cl, g, idleSession(t, cl), func() func() { return halt(t, l, g) })
		if l.runtime == "docker" {
			restartBelowClients(t, c, cl, halt(t, l, g))
			deleteAcrossAKill(t, c, redis)
			return // restarting a halted server is the same for all runtimes, and takes minutes to show
		}
		goOn := halt(t, l, g)
		eventually(t, 3*time.Minute, "the server being restarted", func() bool {
			now := c.show("etl")
			return now.Status.State == "Running" && now.Status.Instance != g.Status.Instance
		})
		goOn()
		if r := cl.do("GET", "/sessions/0", nil); r.status != http.StatusNotFound {
			t.Errorf("a session of the server that was restarted: %d %s", r.status, r.body)
		}
	})
}

// haltedLimits are the limits that checkHalts needs.
const haltedLimits = "unresponsive_after 10s\n\t\trestart_unresponsive 1m\n"

// idleSession creates a session, waits until it is idle, and returns its path.
func idleSession(t *testing.T, cl client) (path string) {
	t.Helper()
	var session struct{ ID int64 }
	cl.expect(http.StatusCreated, "POST", "/sessions", map[string]string{"kind": "pyspark"}, &session)
	path = fmt.Sprintf("/sessions/%d", session.ID)
	eventually(t, 3*time.Minute, "the session being idle", func() bool { return isIdle(cl, path) })
	return path
}

func isIdle(cl client, path string) bool {
	var s struct{ State string }
	cl.expect(http.StatusOK, "GET", path+"/state", nil, &s)
	return s.State == "idle"
}

// checkHalts halts a Livy that has a session: for 4 seconds, and until it counts as
// unresponsive. The session and its id stay.
func checkHalts(t *testing.T, c *caddy, cl client, g gateway, path string, halt func() (goOn func())) {
	t.Helper()
	idle := func() bool { return isIdle(cl, path) }
	status := func() (since string) {
		var g struct {
			Status struct{ UnresponsiveSince string }
		}
		c.json(&g, "gateway", "show", "etl", "--json")
		return g.Status.UnresponsiveSince
	}

	goOn := halt()
	time.Sleep(4 * time.Second)
	goOn()
	eventually(t, 20*time.Second, "the session being idle after 4 s", idle)
	if now := c.show("etl"); now.Status.Instance != g.Status.Instance || status() != "" {
		t.Errorf("after 4 s: %+v, unresponsive since %q", now, status())
	}

	goOn = halt()
	eventually(t, time.Minute, "the server being unresponsive", func() bool { return status() != "" })
	began := time.Now()
	if r := cl.do("GET", path, nil); r.status != http.StatusServiceUnavailable ||
		time.Since(began) > 5*time.Second || !strings.Contains(string(r.body), "has not answered since") {
		t.Errorf("status %d after %v, want 503 at once: %s", r.status, time.Since(began), r.body)
	}
	goOn()
	eventually(t, 30*time.Second, "the server answering", func() bool { return status() == "" })
	eventually(t, 20*time.Second, "the session being idle after the halt", idle)
	var statement struct{ ID int }
	cl.expect(http.StatusCreated, "POST", path+"/statements", map[string]string{"code": "1+1"}, &statement)
	if now := c.show("etl"); now.Status.Instance != g.Status.Instance || now.Status.Epoch != g.Status.Epoch {
		t.Errorf("the server was replaced: %+v, was %+v", now, g)
	}
}

// restartBelowClients restarts a gateway whose Livy is halted while clients wait for it. A
// Livy that stops answers them 404; they must get 503.
func restartBelowClients(t *testing.T, c *caddy, cl client, goOn func()) {
	t.Helper()
	replies := make(chan reply)
	const clients = 5
	for range clients {
		go func() {
			r, err := cl.try("GET", "/sessions", nil)
			if err != nil {
				r.body = []byte(err.Error())
			}
			replies <- r
		}()
	}
	time.Sleep(time.Second) // they are waiting by then
	c.livy("gateway", "restart", "etl")
	goOn()
	for range clients {
		if r := <-replies; r.status != http.StatusServiceUnavailable && r.status != http.StatusOK {
			t.Errorf("a client that waited: %d %s", r.status, r.body)
		}
	}
	eventually(t, 2*time.Minute, "the new server", func() bool { return c.show("etl").Status.State == "Running" })
}
