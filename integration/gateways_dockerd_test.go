package integration

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

// engine is a Docker engine that a test can end and start again. It is in a network namespace of its
// own, to which a route leads.
type engine struct {
	t         *testing.T
	dir, host string
	args      []string
	cmd       *exec.Cmd
}

const (
	engineNetns  = "livygw-dockerd"
	engineSubnet = "198.18.8.0/24"
)

func newEngine(t *testing.T, flags ...string) *engine {
	t.Helper()
	dockerd, err := exec.LookPath("dockerd")
	require.Need(t, require.Dockerd, err == nil && os.Getuid() == 0, "it is not in PATH, or this is not root")
	dir, err := os.MkdirTemp("", "engine") // the socket's path must be a short one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the engine leaves what it has mounted for containers
		mounts, _ := os.ReadFile("/proc/mounts")
		for line := range strings.Lines(string(mounts)) {
			if at := strings.Fields(line)[1]; strings.HasPrefix(at, dir+"/") {
				_ = syscall.Unmount(at, syscall.MNT_DETACH)
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	removeNetwork := func() {
		_ = exec.Command("ip", "link", "del", engineNetns).Run() // and the route with it
		_ = exec.Command("ip", "netns", "del", engineNetns).Run()
	}
	removeNetwork() // of a test that was killed
	t.Cleanup(removeNetwork)
	for _, line := range []string{
		"ip netns add " + engineNetns,
		"ip link add " + engineNetns + " type veth peer name uplink netns " + engineNetns,
		"ip addr add 198.18.9.1/30 dev " + engineNetns,
		"ip link set " + engineNetns + " up",
		"nsenter --net=/run/netns/" + engineNetns + " ip link set lo up",
		"nsenter --net=/run/netns/" + engineNetns + " ip addr add 198.18.9.2/30 dev uplink",
		"nsenter --net=/run/netns/" + engineNetns + " ip link set uplink up",
		"nsenter --net=/run/netns/" + engineNetns + " ip route add default via 198.18.9.1",
		"nsenter --net=/run/netns/" + engineNetns + " sysctl -q -w net.ipv4.ip_forward=1",
		"ip route add " + engineSubnet + " via 198.18.9.2",
	} {
		words := strings.Fields(line)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
	}
	namespace := fmt.Sprintf("livygw-dockerd-%d", os.Getpid())
	e := &engine{t: t, dir: dir, host: "unix://" + filepath.Join(dir, "sock"), args: append([]string{
		"--net=/run/netns/" + engineNetns, dockerd, "--host", "unix://" + filepath.Join(dir, "sock"),
		"--data-root", filepath.Join(dir, "root"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"),
		"--bridge", "none", "--iptables=false", "--userland-proxy=false",
		"--containerd-namespace", namespace, "--containerd-plugins-namespace", namespace + "-plugins",
	}, flags...)}
	e.start()
	t.Cleanup(func() {
		if ids, err := e.docker("ps", "-aq"); err == nil && ids != "" {
			_, _ = e.docker(append([]string{"rm", "-f"}, strings.Fields(ids)...)...)
		}
		e.end(syscall.SIGTERM)
		if text, err := os.ReadFile(filepath.Join(dir, "log")); err == nil && t.Failed() {
			t.Logf("the engine says:\n%s", text)
		}
	})
	return e
}

func (e *engine) start() {
	e.t.Helper()
	log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		e.t.Fatal(err)
	}
	defer log.Close()
	e.cmd = exec.Command("nsenter", e.args...)
	e.cmd.Stdout, e.cmd.Stderr = log, log
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	eventually(e.t, time.Minute, "the Docker engine", func() bool { _, err := e.docker("version"); return err == nil })
}

func (e *engine) end(sig syscall.Signal) {
	_ = e.cmd.Process.Signal(sig)
	_ = e.cmd.Wait()
}

func (e *engine) docker(args ...string) (string, error) {
	out, err := exec.Command("docker", append([]string{"--host", e.host}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// TestRestartOfTheDockerEngine ends the Docker engine under a running gateway and starts it again. Where
// containers outlive it, requests go on all the while and the server stays; otherwise the server is
// lost, and another one starts as soon as the engine is back.
func TestRestartOfTheDockerEngine(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sig   syscall.Signal
		flags []string
		stays bool
	}{
		{"containers outlive it", syscall.SIGTERM, []string{"--live-restore"}, true},
		{"a crash, containers outlive it", syscall.SIGKILL, []string{"--live-restore"}, true},
		{"containers end with it", syscall.SIGTERM, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t, tt.flags...)
			image := "livygateway/fakelivy:restart"
			cmd := exec.Command("docker", "--host", e.host, "import", "--change", `ENTRYPOINT ["/livy-server"]`, "-", image)
			cmd.Stdin = fakeLayer(t, upstreamtest.FakeLivy(t))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("importing the image: %v: %s", err, out)
			}
			if out, err := e.docker("network", "create", "--subnet", engineSubnet, "livy"); err != nil {
				t.Fatalf("creating a network: %v: %s", err, out)
			}
			c := newCaddy(t, storetest.StartServer(t), fmt.Sprintf(`runtime docker {
				host %s
				network livy
				reach network
			}
			engine fake {
				image %s
			}`, e.host, image))
			g := c.newGateway("etl")
			cl := client{t: t, base: c.url(g.ID), token: c.newToken("etl").Token}
			var made struct{ ID int }
			cl.expect(http.StatusCreated, http.MethodPost, "/sessions", map[string]any{"kind": "pyspark"}, &made)

			path := fmt.Sprintf("/sessions/%d", made.ID)
			var good, bad atomic.Int32
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for {
					select {
					case <-stop:
						return
					case <-time.After(20 * time.Millisecond):
					}
					if r, err := cl.try(http.MethodGet, path, nil); err == nil && r.status == http.StatusOK {
						good.Add(1)
					} else {
						bad.Add(1)
					}
				}
			}()
			e.end(tt.sig)
			time.Sleep(5 * time.Second) // more than two looks at the server
			if s := c.show("etl").Status; tt.stays && s.State != "Running" {
				t.Errorf("without the engine, the gateway is %s: %s", s.State, s.Reason)
			}
			began := time.Now()
			e.start()
			eventually(t, time.Minute, "the gateway running", func() bool {
				s := c.show("etl").Status
				return s.State == "Running" && (tt.stays || s.Epoch != g.Status.Epoch)
			})
			t.Logf("running %v after the engine was started", time.Since(began).Round(100*time.Millisecond))
			if tt.stays {
				time.Sleep(5 * time.Second)
			}
			close(stop)
			<-stopped
			t.Logf("%d polls answered, %d not", good.Load(), bad.Load())

			again, state := c.show("etl"), c.records("etl")[0].State
			switch {
			case tt.stays && (again.Status.Epoch != g.Status.Epoch || again.Status.Instance != g.Status.Instance || bad.Load() > 0 || state != "idle"):
				t.Errorf("%+v after %+v, the session is %s", again.Status, g.Status, state)
			case !tt.stays && (again.Status.Epoch == g.Status.Epoch || state == "idle"):
				t.Errorf("%+v after %+v, the session is %s", again.Status, g.Status, state)
			}
			cl.expect(http.StatusCreated, http.MethodPost, "/sessions", map[string]any{"kind": "pyspark"}, &made)
			c.livy("gateway", "stop", "etl", "--wait")
			if left, err := e.docker("ps", "-aq"); err != nil || left != "" {
				t.Errorf("left behind: %s, %v", left, err)
			}
		})
	}
}
