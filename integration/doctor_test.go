package integration

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// doctor runs "caddy livy doctor" and returns what each check says, and the exit
// code.
func (c *caddy) doctor(args ...string) (statuses map[string]string, code int) {
	c.t.Helper()
	out, err := c.tryLivy(append([]string{"doctor", "--json"}, args...)...)
	var report struct {
		Results []struct{ Check, Status, Mend string }
	}
	if jsonErr := json.Unmarshal([]byte(out), &report); jsonErr != nil {
		c.t.Fatalf("caddy livy doctor: %v\n%s\n%v", jsonErr, out, err)
	}
	statuses = make(map[string]string)
	for _, r := range report.Results {
		statuses[r.Check] = r.Status
	}
	return statuses, exitCode(c.t, err)
}

func exitCode(t testing.TB, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return -1
}

// TestDoctor sets a real Redis up badly, well, and ends it, and asks the running
// Caddy and, when that has ended, the configuration file.
func TestDoctor(t *testing.T) {
	c, _, redis := newFake(t)
	redis.MustDo("CONFIG", "SET", "maxmemory", "256mb")
	redis.MustDo("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	got, code := c.doctor()
	if code != 1 || got["redis eviction"] != "fail" || got["redis"] != "ok" || got["engine fake"] != "ok" || got["admin endpoint"] != "ok" {
		t.Errorf("with a Redis that evicts: exit code %d, %v", code, got)
	}
	redis.MustDo("CONFIG", "SET", "maxmemory-policy", "noeviction")
	if got, code = c.doctor(); code != 0 || got["redis eviction"] != "ok" {
		t.Errorf("with a Redis that does not: exit code %d, %v", code, got)
	}

	for _, tt := range []struct {
		code int
		args []string
	}{
		{2, []string{"gateway", "show"}},
		{3, []string{"gateway", "show", "none"}},
		{4, []string{"gateway", "create", "etl"}},
		{5, []string{"gateway", "list", "--address", "127.0.0.1:1"}},
	} {
		if _, err := c.tryLivy(tt.args...); exitCode(t, err) != tt.code {
			t.Errorf("caddy livy %v: %v, want exit code %d", tt.args, err, tt.code)
		}
	}

	c.stop()
	if got, code = c.doctor("--config", c.caddyfile); code != 0 || got["redis"] != "ok" || got["port "+c.all[strings.LastIndexByte(c.all, ':'):]] != "ok" {
		t.Errorf("by the file: exit code %d, %v", code, got)
	}
	redis.Kill()
	if got, code = c.doctor("--config", c.caddyfile); code != 1 || got["redis"] != "fail" {
		t.Errorf("by the file, without Redis: exit code %d, %v", code, got)
	}
}
