package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
)

// firstLight is "make run" in a folder of its own.
type firstLight struct {
	caddy
	top string
	run *exec.Cmd
}

// light runs scripts/run until it is ready.
func (f *firstLight) light(env ...string) {
	f.t.Helper()
	log := filepath.Join(f.top, "out.log")
	file, err := os.Create(log)
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	f.run = exec.Command(filepath.Join(f.top, "scripts", "run"))
	f.run.Env = append(os.Environ(), append([]string{"LIVY_RUNTIME=process", "LIVY_LISTEN=" + f.all}, env...)...)
	f.run.Stdout, f.run.Stderr = file, file
	if err := f.run.Start(); err != nil {
		f.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = f.run.Wait(); close(ended) }()
	f.exited = ended
	eventually(f.t, 3*time.Minute, "make run being ready", func() bool {
		text, _ := os.ReadFile(log)
		select {
		case <-ended:
			f.t.Fatalf("make run ended:\n%s", text)
		default:
		}
		return strings.Contains(string(text), "goes on where this one ended")
	})
}

// end is Ctrl-C.
func (f *firstLight) end() {
	f.t.Helper()
	_ = f.run.Process.Signal(syscall.SIGINT)
	select {
	case <-f.exited:
	case <-time.After(time.Minute):
		f.t.Fatal("make run did not end within a minute")
	}
}

// TestFirstLightIsTight runs "make run" without Docker as root: nothing of it is on
// a port but the gateways' endpoint, what is Caddy's cannot be read by Livy's user,
// and the next run finds the same gateway and token.
func TestFirstLightIsTight(t *testing.T) {
	e := preparedEngine()
	require.Need(t, require.Livy, e != nil, "no engine is prepared (make engine)")
	_, err := exec.LookPath("redis-server")
	require.Need(t, require.Redis, err == nil, "no redis-server on the PATH")
	name := idleUsers(t, 1)[0]
	dir := openFolder(t)
	f := &firstLight{top: dir, caddy: caddy{t: t, dir: filepath.Join(dir, ".run", "caddy"), all: "127.0.0.1:" + sparePort(t)}}
	f.admin = "unix/" + filepath.Join(dir, ".run", "admin.sock")
	for _, part := range []string{"bin", "scripts", ".run"} {
		if err := os.MkdirAll(filepath.Join(dir, part), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{
		binary(t): "bin/caddy", filepath.Dir(e.LivyHome): ".run/engine", filepath.Join(root, "scripts", "run"): "scripts/run",
		filepath.Join(root, "scripts", "prepare-engine"): "scripts/prepare-engine", filepath.Join(root, "Caddyfile.example"): "Caddyfile.example",
		filepath.Join(root, "scripts", "prepare-archives"): "scripts/prepare-archives",
	} {
		if err := os.Symlink(from, filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte("build:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if f.run != nil {
			_ = f.run.Process.Signal(syscall.SIGINT)
			<-f.exited
		}
		endProcesses(t, filepath.Join(f.top, ".run", "caddy", "caddy", "livy"))
	})
	f.light("LIVY_USER=" + name)
	g := f.show("demo")
	token, err := os.ReadFile(filepath.Join(dir, ".run", "token"))
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]os.FileMode{"admin.sock": 0o600, "redis.sock": 0o600, "redis": 0o700, "token": 0o600, "caddy.log": 0o600, "redis.log": 0o600, "console-password": 0o600, "console-hash": 0o600} {
		info, err := os.Stat(filepath.Join(dir, ".run", file))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf(".run/%s: %v, %v; want %v", file, info.Mode(), err, want)
		}
	}
	status, code := f.doctor()
	for _, check := range []string{"jobs and the admin endpoint", "jobs and redis", "users of servers", "admin endpoint"} {
		if status[check] != "ok" || code != 0 {
			t.Errorf("the doctor ends with %d and says of %s: %s", code, check, status[check])
		}
	}
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	pid, _, _ := strings.Cut(g.Status.Instance, "-")
	if text, err := os.ReadFile("/proc/" + pid + "/status"); err != nil || !strings.Contains(string(text), "\nUid:\t"+u.Uid+"\t") {
		t.Errorf("Livy does not run as %s: %v", name, err)
	}
	f.end()
	if _, err := os.Stat(fmt.Sprintf("/proc/%s", pid)); err == nil {
		t.Error("Livy outlived make run")
	}
	// The endpoint can still be on a port.
	f.admin = "127.0.0.1:" + sparePort(t)
	f.light("LIVY_USER="+name, "LIVY_ADMIN="+f.admin)
	again, err := os.ReadFile(filepath.Join(dir, ".run", "token"))
	if err != nil || !bytes.Equal(again, token) || f.show("demo").ID != g.ID {
		t.Errorf("the next run has gateway %s, was %s; the same token: %v, %v", f.show("demo").ID, g.ID, bytes.Equal(again, token), err)
	}
	f.end()
}
