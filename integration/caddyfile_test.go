package integration

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExampleCaddyfile holds Caddyfile.example to what Caddy's own commands say;
// nothing of it may need Redis, Docker or Livy to be there.
func TestExampleCaddyfile(t *testing.T) {
	example := filepath.Join(root, "Caddyfile.example")
	t.Run("validate", func(t *testing.T) {
		runCaddy(t, "validate", "--config", example, "--adapter", "caddyfile")
	})
	t.Run("fmt", func(t *testing.T) {
		if diff := changes(runCaddy(t, "fmt", "--diff", example)); diff != "" {
			t.Errorf("caddy fmt would change:\n%s", diff)
		}
	})
}

// TestModules holds the binary to the module ids that are documented.
func TestModules(t *testing.T) {
	list := strings.Fields(runCaddy(t, "list-modules"))
	have := make(map[string]bool, len(list))
	for _, id := range list {
		have[id] = true
	}
	for _, id := range []string{
		"livy", "admin.api.livy",
		"livy.runtimes.docker", "livy.runtimes.kubernetes", "livy.runtimes.process", "livy.runtimes.static",
		"http.handlers.livy_gateway", "http.handlers.livy_token", "http.handlers.livy_policy", "http.handlers.livy_record", "http.handlers.livy_direct",
		"http.reverse_proxy.upstreams.livy",
	} {
		if !have[id] {
			t.Errorf("caddy list-modules does not show %s", id)
		}
	}
}

// runCaddy runs a command of the binary and returns what it prints.
func runCaddy(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t), args...)
	cmd.Dir = t.TempDir()
	var stdout strings.Builder
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("caddy %s: %v\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// changes are the lines of a diff that begin with + or -.
func changes(diff string) string {
	var b strings.Builder
	for line := range strings.Lines(diff) {
		if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-") {
			b.WriteString(line)
		}
	}
	return b.String()
}
