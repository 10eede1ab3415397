package integration

import (
	endian "encoding/binary"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// idleUsers are users of this machine that run nothing, for servers.
func idleUsers(t testing.TB, n int) []string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root starts processes of other users")
	}
	busy := map[string]bool{}
	procs, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range procs {
		text, _ := os.ReadFile(file)
		_, after, _ := strings.Cut(string(text), "\nUid:\t")
		uid, _, _ := strings.Cut(after, "\t")
		busy[uid] = true
	}
	var names []string
	for _, name := range []string{"games", "lp", "news", "uucp", "list", "irc", "backup"} {
		if u, err := user.Lookup(name); err == nil && !busy[u.Uid] && len(names) < n {
			names = append(names, name)
		}
	}
	if len(names) < n {
		t.Skipf("needs %d users of the machine that run nothing", n)
	}
	return names
}

// openFolder is a folder that every user can pass through, with a short name, as
// sockets need it.
func openFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "livygw")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// reachJobs copies the jobs to where every user can read them.
func reachJobs(t testing.TB, dir string) string {
	t.Helper()
	jobs := filepath.Join(dir, "jobs")
	if err := os.Mkdir(jobs, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"reach.py", "hungry.py"} {
		text, err := os.ReadFile(filepath.Join(root, "integration", "clients", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(jobs, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return jobs
}

// processBlock is a livy block with the process runtime and a real engine.
func processBlock(t testing.TB, dir, jobs, options string) string {
	t.Helper()
	e := preparedEngine()
	require.Need(t, require.Livy, e != nil, "no engine is prepared (make engine)")
	state := filepath.Join(dir, "state")
	t.Cleanup(func() { endProcesses(t, state) })
	return fmt.Sprintf("runtime process {\nstate_dir %s\n%s}\nengine spark-3.5 {\nlivy %s\nlivy_home %s\nspark_home %s\n}\nlocal_dir %s\non_exit stop\n",
		state, options, strings.TrimSuffix(e.Livy, "-incubating"), e.LivyHome, e.SparkHome, jobs)
}

// TestWhatAJobReaches runs a job of a real Spark that tries everything around it:
// with users of their own, sockets and a password it reaches its own Livy only;
// without, all of it, which shows that the job tries rightly.
func TestWhatAJobReaches(t *testing.T) {
	for _, tight := range []bool{true, false} {
		t.Run(map[bool]string{true: "tight", false: "open"}[tight], func(t *testing.T) {
			users := idleUsers(t, 2)
			dir := openFolder(t)
			jobs := reachJobs(t, dir)
			redisSocket := filepath.Join(dir, "redis.sock")
			redis := storetest.StartServer(t, "--unixsocket", redisSocket, "--unixsocketperm", "600")
			options, redisURL := "", "redis://"+redis.Addr()+"/0"
			if tight {
				redis.SetPassword("s3cr3t-of-redis")
				options, redisURL = "users "+strings.Join(users, " ")+"\n", "unix://:s3cr3t-of-redis@"+redisSocket
			}
			block := processBlock(t, dir, jobs, options)
			c := newCaddyWith(t, func(c *caddy) string {
				c.dir = filepath.Join(dir, "caddy")
				if err := os.Mkdir(c.dir, 0o755); err != nil {
					t.Fatal(err)
				}
				c.caddyfile, c.logFile = filepath.Join(c.dir, "Caddyfile"), filepath.Join(c.dir, "caddy.log")
				if tight {
					c.admin = "unix/" + filepath.Join(dir, "admin.sock")
				}
				text := strings.Replace(c.text("", block), "redis redis:///0", "redis "+redisURL, 1)
				return strings.Replace(text, "admin unix/"+filepath.Join(dir, "admin.sock"), "admin unix/"+filepath.Join(dir, "admin.sock")+"|0600", 1)
			})
			etl, other := c.newGateway("etl"), c.newGateway("other")
			tok, otherTok := c.newToken("etl"), c.newToken("other")
			if err := os.WriteFile(filepath.Join(dir, "token"), []byte(otherTok.Token), 0o600); err != nil {
				t.Fatal(err)
			}
			address := func(g gateway) string { return livyAddress(t, dir, g) }
			state := filepath.Join(dir, "state", other.ID, strconv.Itoa(other.Status.Epoch))
			otherPID, _, _ := strings.Cut(other.Status.Instance, "-")
			checkpoints := filepath.Join(c.dir, "caddy", "livygateway")
			eventually(t, time.Minute, "Caddy's checkpoints", func() bool {
				_, err := os.Stat(checkpoints)
				return err == nil
			})
			tries := [][2]string{
				{"redis", redis.Addr()},
				{"unix", redisSocket},
				{"file", filepath.Join(redis.Dir(), "redis.log")},
				{"file", c.caddyfile},
				{"file", filepath.Join(c.dir, "caddy", "autosave.json")},
				{"dir", checkpoints},
				{"file", filepath.Join(dir, "token")},
				{"file", fmt.Sprintf("/proc/%d/environ", c.cmd.Process.Pid)},
				{"file", filepath.Join(state, "state.json")},
				{"file", filepath.Join(state, "livy.log")},
				{"file", filepath.Join(state, "conf", "livy.conf")},
				{"dir", filepath.Join(state, "work")},
				{"file", "/proc/" + otherPID + "/environ"},
				{"signal", otherPID},
				{"tcp", address(other)},
			}
			if tight {
				tries = append(tries, [2]string{"unix", filepath.Join(dir, "admin.sock")})
			} else {
				tries = append(tries, [2]string{"tcp", c.admin})
			}
			cl := client{t, c.url("etl"), tok.Token}
			var b batch
			cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{
				"file": "file:" + jobs + "/reach.py", "args": []string{asJSON(t, append(tries, [2]string{"tcp", address(etl)}))},
			}, &b)
			ended, log := cl.batchDone(b.ID)
			if ended != "success" {
				t.Fatalf("the job ended %s:\n%s", ended, log)
			}
			for _, try := range tries {
				want := "reached"
				if tight {
					want = "refused: "
				}
				if !strings.Contains(log, fmt.Sprintf("try: %s %s: %s", try[0], try[1], want)) {
					t.Errorf("%s %s is not %s", try[0], try[1], want)
				}
			}
			if !strings.Contains(log, "try: tcp "+address(etl)+": reached") {
				t.Error("the job does not reach its own Livy: it tries nothing")
			}
			if tight == strings.Contains(log, "user: 0") {
				t.Error("the job runs as root, or does not where it should")
			}
			if t.Failed() {
				t.Logf("what the job says:\n%s", log)
			}
			status, code := c.doctor()
			if tight && (code != 0 || status["jobs and the admin endpoint"] != "ok" || status["jobs and redis"] != "ok" || status["addresses of servers"] != "ok") ||
				!tight && (code != 1 || status["jobs and the admin endpoint"] != "fail" || status["jobs and redis"] != "warn") {
				t.Errorf("the doctor ends with %d: %v", code, status)
			}
			if warned := strings.Contains(c.log(), "jobs of runtime process run as root and can connect to the admin endpoint"); warned == tight {
				t.Errorf("the log warns: %v", warned)
			}
			if tight {
				// The next Caddy finds both servers at their addresses.
				c.kill()
				c.start()
				eventually(t, 0, "the gateways after a crash of Caddy", func() bool {
					return c.show("etl").Status.Instance == etl.Status.Instance && c.show("other").Status.Instance == other.Status.Instance
				})
				cl.expect(http.StatusOK, "GET", fmt.Sprintf("/batches/%d/log", b.ID), nil, nil)
			}
		})
	}
}

// livyAddress reads where a gateway's server listens.
func livyAddress(t testing.TB, dir string, g gateway) string {
	t.Helper()
	conf, err := os.ReadFile(filepath.Join(dir, "state", g.ID, strconv.Itoa(g.Status.Epoch), "conf", "livy.conf"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(conf)) {
		key, value, _ := strings.Cut(line, "=")
		found[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return found["livy.server.host"] + ":" + found["livy.server.port"]
}

// TestAJobThatTakesTooMuchMemory ends with its driver killed; Livy and Caddy live,
// and the next job runs.
func TestAJobThatTakesTooMuchMemory(t *testing.T) {
	users := idleUsers(t, 1)
	dir := openFolder(t)
	jobs := reachJobs(t, dir)
	redis := storetest.StartServer(t)
	c := newCaddy(t, redis, processBlock(t, dir, jobs, "users "+users[0]+"\n"))
	if status, _ := c.doctor(); status["memory of drivers"] != "ok" {
		t.Skip("needs cgroups that can be written")
	}
	g := c.newGateway("etl", "--memory", "4Gi")
	tok := c.newToken("etl")
	cl := client{t, c.url("etl"), tok.Token}
	var b batch
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": "file:" + jobs + "/hungry.py"}, &b)
	if ended, log := cl.batchDone(b.ID); ended != "dead" || strings.Contains(log, "nothing bounds my memory") {
		t.Fatalf("a job that takes all memory ended %s:\n%s", ended, log)
	}
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": "file:" + jobs + "/reach.py", "args": []string{"[]"}}, &b)
	if ended, log := cl.batchDone(b.ID); ended != "success" {
		t.Errorf("the next job ended %s:\n%s", ended, log)
	}
	if now := c.show("etl"); now.Status.Instance != g.Status.Instance || now.Status.State != "Running" {
		t.Errorf("the server was %s, is %s %s", g.Status.Instance, now.Status.State, now.Status.Instance)
	}
	for _, group := range cgroupsOf(g) {
		if _, err := os.Stat(group); err != nil {
			t.Errorf("no cgroup of the running server: %v", err)
		}
	}
	c.livy("gateway", "stop", "etl", "--wait")
	if left := cgroupsOf(g); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// cgroupsOf finds the cgroups of a gateway's servers.
func cgroupsOf(g gateway) []string {
	var all []string
	for _, pattern := range []string{"/sys/fs/cgroup/livygateway/*-", "/sys/fs/cgroup/*/livygateway/*-"} {
		found, _ := filepath.Glob(pattern + g.ID + "-*")
		all = append(all, found...)
	}
	return all
}

// TestADriverOfAUserOfItsOwn: a session works, and its Spark UI is seen through the
// gateway, where the server has a user and an address of its own; another gateway's
// job reaches no port of it.
func TestADriverOfAUserOfItsOwn(t *testing.T) {
	e := preparedEngine()
	require.Need(t, require.Livy080, e != nil && e.Interactive, "no engine is prepared that runs interactive sessions")
	users := idleUsers(t, 2)
	dir := openFolder(t)
	jobs := reachJobs(t, dir)
	c := newCaddy(t, storetest.StartServer(t), processBlock(t, dir, jobs, "users "+strings.Join(users, " ")+"\n"))
	etl := c.newGateway("etl")
	c.newGateway("other")
	cl := client{t: t, base: c.url("etl"), token: c.newToken("etl").Token}
	cl.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark"}, nil)
	eventually(t, 3*time.Minute, "the session being idle", func() bool {
		var state struct{ State string }
		cl.expect(http.StatusOK, "GET", "/sessions/0/state", nil, &state)
		return state.State == "idle"
	})
	var rec struct{ ID, SparkUI string }
	c.json(&rec, "session", "show", "--gateway", "etl", "session:0", "--json")
	if r := (client{t, "http://" + c.all, cl.token}).do("GET", rec.SparkUI+"/jobs/", nil); r.status != http.StatusOK || !strings.Contains(string(r.body), "Spark Jobs") {
		t.Errorf("the Spark UI: %d %.300s", r.status, r.body)
	}
	host, _, _ := strings.Cut(livyAddress(t, dir, etl), ":")
	var tries [][2]string
	for _, port := range listening(t, host) {
		tries = append(tries, [2]string{"tcp", host + ":" + port})
	}
	if len(tries) < 2 {
		t.Fatalf("Livy and the driver listen at %v; this test shows nothing", tries)
	}
	other := client{t: t, base: c.url("other"), token: c.newToken("other").Token}
	var b batch
	other.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": "file:" + jobs + "/reach.py", "args": []string{asJSON(t, tries)}}, &b)
	ended, log := other.batchDone(b.ID)
	if n := strings.Count(log, "refused: [Errno 111]"); ended != "success" || n != len(tries) {
		t.Errorf("the other gateway's job ended %s, and was refused %d times of %d:\n%s", ended, n, len(tries), log)
	}
}

// listening are the ports of this machine on which somebody listens at an address.
func listening(t testing.TB, host string) (ports []string) {
	t.Helper()
	ip := net.ParseIP(host).To4()
	number := fmt.Sprintf("%08X", endian.NativeEndian.Uint32(ip))
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if at, hex, ok := strings.Cut(fields[1], ":"); ok && fields[3] == "0A" && strings.HasSuffix(at, number) {
				port, _ := strconv.ParseUint(hex, 16, 16)
				ports = append(ports, strconv.FormatUint(port, 10))
			}
		}
	}
	return ports
}
