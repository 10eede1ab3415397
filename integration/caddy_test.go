package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store/storetest"
)

// caddy is one Caddy under test, with a Redis, ports and a folder of its own.
type caddy struct {
	t     testing.TB
	dir   string
	admin string // host:port of the admin endpoint
	all   string // host:port of the site that serves every gateway
	etl   string // host:port of the site that is the gateway "etl"

	caddyfile string // path
	logFile   string // path; what Caddy wrote, over all its starts
	cmd       *exec.Cmd
	exited    chan struct{}
}

// newCaddy writes a Caddyfile and starts Caddy with it. livyBlock are the lines
// of the global livy block besides "redis". Debug and access logs are on, so
// that what is never to be logged has every chance to be.
func newCaddy(t testing.TB, redis *storetest.Server, livyBlock string) *caddy {
	t.Helper()
	return newCaddyOn(t, redis.Addr(), livyBlock)
}

// newCaddyOn is newCaddy with a Redis at an address.
func newCaddyOn(t testing.TB, redis, livyBlock string) *caddy {
	t.Helper()
	return newCaddyWith(t, func(c *caddy) string { return c.text(redis, livyBlock) })
}

// newCaddyWith starts Caddy with a Caddyfile of its own; text may choose other places
// than those that c has already.
func newCaddyWith(t testing.TB, text func(c *caddy) string) *caddy {
	t.Helper()
	c := &caddy{
		t: t, dir: t.TempDir(),
		admin: "127.0.0.1:" + sparePort(t),
		all:   "127.0.0.1:" + sparePort(t),
		etl:   "127.0.0.1:" + sparePort(t),
	}
	c.caddyfile = filepath.Join(c.dir, "Caddyfile")
	c.logFile = filepath.Join(c.dir, "caddy.log")
	c.write(text(c))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what Caddy's log has to say:\n%s", c.complaints())
		}
		if c.cmd != nil {
			_ = c.cmd.Process.Kill()
			<-c.exited
		}
	})
	c.start()
	return c
}

func (c *caddy) text(redis, livyBlock string) string {
	return fmt.Sprintf(`{
	admin %s
	debug
	livy {
		redis redis://%s/0
		%s
	}
}
http://%s {
	log
	livy_gateway
}
http://%s {
	log
	livy_gateway etl
}
`, c.admin, redis, livyBlock, c.all, c.etl)
}

func (c *caddy) write(text string) {
	c.t.Helper()
	if err := os.WriteFile(c.caddyfile, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caddy) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary(c.t), args...)
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+c.dir, "XDG_CONFIG_HOME="+c.dir)
	return cmd
}

// start starts Caddy and waits until it serves.
func (c *caddy) start() {
	c.t.Helper()
	log, err := os.OpenFile(c.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	cmd := c.command(context.Background(), "run", "--config", c.caddyfile, "--adapter", "caddyfile")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		c.t.Fatalf("starting Caddy: %v", err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	c.cmd, c.exited = cmd, exited
	eventually(c.t, 20*time.Second, "Caddy serving", func() bool {
		select {
		case <-exited:
			c.t.Fatalf("Caddy ended: %s", c.lastLines(20))
		default:
		}
		res, err := http.Get("http://" + c.all + "/")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return true
	})
}

// stop ends Caddy as an operator does.
func (c *caddy) stop() { c.end(syscall.SIGTERM) }

// kill ends Caddy as a crash does.
func (c *caddy) kill() { c.end(syscall.SIGKILL) }

func (c *caddy) end(sig syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		c.t.Fatalf("sending %v to Caddy: %v", sig, err)
	}
	select {
	case <-c.exited:
	case <-time.After(time.Minute):
		c.t.Fatalf("Caddy did not end within a minute of %v", sig)
	}
}

// livy runs "caddy livy args..." and returns what it prints.
func (c *caddy) livy(args ...string) string {
	c.t.Helper()
	out, err := c.tryLivy(args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func (c *caddy) tryLivy(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 7*time.Minute) // more than any start_timeout
	defer cancel()
	cmd := c.command(ctx, append([]string{"livy", "--address", c.admin}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("caddy livy %s: %w\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out), nil
}

// gateway is what "caddy livy gateway ... --json" prints of a gateway.
type gateway struct {
	ID     string `json:"id"`
	Status struct {
		State    string `json:"state"`
		Reason   string `json:"reason"`
		Instance string `json:"instance"`
		Epoch    int    `json:"epoch"`
	} `json:"status"`
}

func (c *caddy) show(name string) (g gateway) {
	c.t.Helper()
	c.json(&g, "gateway", "show", name, "--json")
	return g
}

// record is what "caddy livy session list --json" prints of a session or batch.
type record struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	State string `json:"state"`
}

func (c *caddy) records(gatewayName string) []record {
	c.t.Helper()
	var list struct{ Records []record }
	c.json(&list, "session", "list", "--gateway", gatewayName, "--json")
	return list.Records
}

// newGateway creates a gateway, starts it and waits until it runs.
func (c *caddy) newGateway(name string, args ...string) gateway {
	c.t.Helper()
	var g gateway
	c.json(&g, append([]string{"gateway", "create", name, "--start", "--wait", "--json"}, args...)...)
	c.t.Cleanup(func() {
		if _, err := c.tryLivy("gateway", "delete", name, "--force"); err != nil {
			c.t.Logf("deleting gateway %s: %v", name, err)
		}
	})
	return g
}

// token is what "caddy livy token create --json" prints.
type token struct {
	ID    string `json:"id"`
	Token string `json:"token"`
}

func (c *caddy) newToken(gatewayName string, args ...string) token {
	c.t.Helper()
	var tok token
	c.json(&tok, append([]string{"token", "create", "--gateway", gatewayName, "--json"}, args...)...)
	return tok
}

func (c *caddy) json(into any, args ...string) {
	c.t.Helper()
	out := c.livy(args...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		c.t.Fatalf("caddy livy %s printed no JSON: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// reload loads the Caddyfile again, the way "caddy reload" does.
func (c *caddy) reload() {
	c.t.Helper()
	if out, err := c.tryReload(); err != nil {
		c.t.Fatalf("caddy reload: %v\n%s", err, out)
	}
}

func (c *caddy) tryReload() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return c.command(ctx, "reload", "--force", "--address", c.admin,
		"--config", c.caddyfile, "--adapter", "caddyfile").CombinedOutput()
}

func (c *caddy) log() string {
	text, err := os.ReadFile(c.logFile)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

func (c *caddy) lastLines(n int) string {
	lines := strings.Split(strings.TrimSpace(c.log()), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// complaints are the last warnings and errors of the log.
func (c *caddy) complaints() string {
	var lines []string
	for line := range strings.Lines(c.log()) {
		if strings.Contains(line, `"level":"warn"`) || strings.Contains(line, `"level":"error"`) {
			lines = append(lines, strings.TrimSpace(line[:min(len(line), 400)]))
		}
	}
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// url is the endpoint of a gateway, by id or name, as clients are given it.
func (c *caddy) url(gateway string) string {
	return "http://" + c.all + "/api/v1/workspace/default/livycompute/" + gateway
}
