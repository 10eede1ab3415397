package integration

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

// smallEngine is a Docker engine of its own whose data lies on a disk of 64 MiB. It
// has no network, which a container that cannot be made does not miss.
func smallEngine(t *testing.T) (host, data string) {
	t.Helper()
	dockerd, err := exec.LookPath("dockerd")
	require.Need(t, require.Dockerd, err == nil && os.Getuid() == 0, "it is not in PATH, or this is not root")
	data = t.TempDir()
	err = syscall.Mount("tmpfs", data, "tmpfs", 0, "size=64m")
	require.Need(t, require.Mount, err == nil, fmt.Sprintf("mounting a small disk: %v", err))
	t.Cleanup(func() {
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	// The socket's path must be a short one.
	run, err := os.MkdirTemp("", "engine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	host = "unix://" + filepath.Join(run, "sock")
	namespace := fmt.Sprintf("livygw-test-%d", os.Getpid())
	log, err := os.Create(filepath.Join(run, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// In a network of its own: an engine without a bridge removes that of others.
	cmd := exec.Command("unshare", "--net", dockerd, "--host", host, "--data-root", filepath.Join(data, "root"), "--exec-root", filepath.Join(run, "exec"),
		"--pidfile", filepath.Join(run, "pid"), "--bridge", "none", "--iptables=false",
		"--containerd-namespace", namespace, "--containerd-plugins-namespace", namespace+"-plugins")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("the engine says:\n%s", text)
		}
	})
	eventually(t, time.Minute, "a second Docker engine", func() bool {
		return exec.Command("docker", "--host", host, "version").Run() == nil
	})
	return host, data
}

// fill writes until nothing more fits.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zeros, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer zeros.Close()
	if _, err := io.CopyN(f, zeros, 1<<30); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("filling the disk: %v", err)
	}
}

// TestFullDiskOfTheEngine starts a gateway on a Docker engine whose disk is full.
func TestFullDiskOfTheEngine(t *testing.T) {
	host, data := smallEngine(t)
	image := "livygateway/fakelivy:full"
	cmd := exec.Command("docker", "--host", host, "import", "--change", `ENTRYPOINT ["/livy-server"]`, "-", image)
	cmd.Stdin = fakeLayer(t, upstreamtest.FakeLivy(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("importing the image: %v: %s", err, out)
	}
	redis := storetest.StartServer(t)
	c := newCaddy(t, redis, "runtime docker {\nhost "+host+"\n}\nengine fake {\nimage "+image+"\n}")
	fill(t, data)
	var g gateway
	c.json(&g, "gateway", "create", "etl", "--start", "--json")
	eventually(t, 30*time.Second, "the error", func() bool {
		g = c.show("etl")
		return g.Status.State == "Error"
	})
	if !strings.Contains(g.Status.Reason, "no space left on device") {
		t.Errorf("reason %q", g.Status.Reason)
	}
	c.livy("gateway", "delete", "etl", "--force")
	if out, err := exec.Command("docker", "--host", host, "ps", "-aq").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("left behind: %s, %v", out, err)
	}
	if keys := fmt.Sprint(redis.MustDo("KEYS", "*"+g.ID+"*")); keys != "[]" {
		t.Errorf("left behind in Redis: %s", keys)
	}
}
