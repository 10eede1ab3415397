package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

// serviceCgroupDir makes a real cgroup (version 2), as systemd makes one for a service.
func serviceCgroupDir(t *testing.T) string {
	t.Helper()
	system, err := thisMachine()
	if err != nil {
		t.Fatal(err)
	}
	dir := ""
	for _, m := range system.mounts {
		if m.v2 {
			dir = filepath.Join(m.dir, fmt.Sprintf("livygw-test-%d.service", os.Getpid()))
			err = os.Mkdir(dir, 0o755)
		}
	}
	usable := dir != "" && err == nil
	if usable {
		_, err = os.Stat(filepath.Join(dir, "cgroup.kill"))
		usable = err == nil
	}
	require.Need(t, require.Mount, usable, "no cgroup of version 2 can be made here, or the kernel is older than 5.14")
	t.Cleanup(func() {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
		eventually.True(t, 20*time.Second, "the cgroup being removed", func() bool { return os.Remove(dir) == nil })
	})
	return dir
}

// TestOverARestartOfTheService runs the process that starts a server as systemd runs Caddy, and
// stops it as systemd does.
func TestOverARestartOfTheService(t *testing.T) {
	engine := fakeEngine(t)
	for mode, survives := range map[string]bool{"process": true, "control-group": false} {
		t.Run("KillMode="+mode, func(t *testing.T) {
			dir := serviceCgroupDir(t)
			group, err := os.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer group.Close()
			in := starterInput{StateDir: t.TempDir(), Cgroup: NoCgroup, Launch: launch(t, engine)}
			cmd, inst := runStarter(t, in, &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())})
			next := newRuntime(t, Options{StateDir: in.StateDir, Cgroup: NoCgroup})
			t.Cleanup(func() { _ = next.Stop(context.Background(), "lc-1", upstream.AnyEpoch) })
			if _, err := upstreamtest.WaitReady(t.Context(), next, inst); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Kill(); err != nil { // the main process, in any mode
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if mode == "control-group" {
				if err := os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0); err != nil {
					t.Fatal(err)
				}
				eventually.True(t, 20*time.Second, "the end of the server", func() bool {
					found, _, err := next.Find(t.Context(), "lc-1")
					return err == nil && !found.Running
				})
			}
			found, ok, err := next.Find(t.Context(), "lc-1")
			if err != nil || ok && found.Running != survives || !ok && survives {
				t.Fatalf("found %+v, %v, %v; want running: %v", found, ok, err, survives)
			}
			if _, err := upstream.GetVersion(t.Context(), inst.Address); (err == nil) != survives {
				t.Errorf("its answer: %v; want one: %v", err, survives)
			}
		})
	}
}
