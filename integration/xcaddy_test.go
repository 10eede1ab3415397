package integration

import (
	"context"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
)

// TestXcaddy builds Caddy as users do, with xcaddy, and holds the binary to what
// the one of "make build" is held to.
func TestXcaddy(t *testing.T) {
	_, err := exec.LookPath("xcaddy")
	require.Need(t, require.Xcaddy, err == nil, "xcaddy is not installed (go install github.com/caddyserver/xcaddy/cmd/xcaddy@v0.4.5)")

	// Caddy's packages are compiled anew where "make build" has not compiled them.
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	path := filepath.Join(t.TempDir(), "caddy")
	cmd := exec.CommandContext(ctx, "make", "--no-print-directory", "xcaddy", "BIN="+path)
	cmd.Dir = root
	// The compilers end with make.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make xcaddy: %v\n%s", err, out)
	}

	t.Setenv("LIVYGW_BINARY", path)
	t.Run("modules", TestModules)
	t.Run("example", TestExampleCaddyfile)
}
