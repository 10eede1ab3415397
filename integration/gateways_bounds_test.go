package integration

import (
	"archive/tar"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

// fakes is a runtime with a stand-in for Livy that misbehaves when livy.conf says
// so, and an engine "missing" that is not there.
type fakes struct {
	livyBlock string
	missing   string                                 // what the engine "missing" fails with
	left      func(t *testing.T, id string) []string // what is there of a gateway
}

func fakeProcesses(t *testing.T) fakes {
	livyHome, sparkHome := upstreamtest.FakeHomes(t)
	stateDir := t.TempDir()
	engine := func(name, livyHome string) string {
		return "engine " + name + " {\nlivy_home " + livyHome + "\nspark_home " + sparkHome + "\n}\n"
	}
	return fakes{
		livyBlock: "runtime process {\nstate_dir " + stateDir + "\n}\n" + engine("fake", livyHome) + engine("missing", filepath.Join(livyHome, "nowhere")),
		missing:   "must be a directory made by scripts/prepare-engine with bin/livy-server in it",
		left: func(t *testing.T, id string) []string {
			left, _ := filepath.Glob(filepath.Join(stateDir, id, "*", "*")) // a folder for each server
			left = without(left, "livy.log", "livy.log.previous")
			environs, _ := filepath.Glob("/proc/[0-9]*/environ")
			for _, path := range environs {
				if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(stateDir+":"+id+":")) {
					left = append(left, filepath.Dir(path))
				}
			}
			return left
		},
	}
}

// without leaves out paths with these base names.
func without(paths []string, names ...string) (rest []string) {
	for _, path := range paths {
		if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+filepath.Base(path)+" ") {
			rest = append(rest, path)
		}
	}
	return rest
}

// fakeLayer is a file system with a program in it as livy-server.
func fakeLayer(t *testing.T, program []byte) *bytes.Buffer {
	t.Helper()
	layer := new(bytes.Buffer)
	w := tar.NewWriter(layer)
	if err := w.WriteHeader(&tar.Header{Name: "livy-server", Mode: 0o755, Size: int64(len(program))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(program); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return layer
}

func fakeContainers(t *testing.T) fakes {
	require.Need(t, require.Docker, dockerAnswers(), "no Docker engine answers")
	layer := fakeLayer(t, upstreamtest.FakeLivy(t))
	namespace := fmt.Sprintf("test-bounds-%d", os.Getpid())
	image := "livygateway/fakelivy:" + namespace
	cmd := exec.Command("docker", "import", "--change", `ENTRYPOINT ["/livy-server"]`, "-", image)
	cmd.Stdin = layer
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("importing the image: %v: %s", err, out)
	}
	t.Cleanup(func() {
		removeContainers(t, namespace)
		_ = docker("rmi", image)
	})
	return fakes{
		livyBlock: "runtime docker {\nnamespace " + namespace + "\n}\nengine fake {\nimage " + image + "\n}\nengine missing {\nimage livygateway/livy:0.0.0-nowhere\n}\n",
		missing:   "does not exist on the Docker engine; build it with scripts/build-engine-image, or pull it",
		left: func(t *testing.T, id string) []string {
			out, err := exec.Command("docker", "ps", "-aq", "--filter", "label=io.github.livygateway.gateway="+id).Output()
			if err != nil {
				t.Fatal(err)
			}
			return strings.Fields(string(out))
		},
	}
}

// TestBounds shows what becomes of gateways that cannot start, and of orders that
// make no sense: a clear error or nothing at all, and nothing left behind.
func TestBounds(t *testing.T) {
	for name, make := range map[string]func(*testing.T) fakes{"docker": fakeContainers, "process": fakeProcesses} {
		t.Run(name, func(t *testing.T) {
			f := make(t)
			redis := storetest.StartServer(t)
			c := newCaddy(t, redis, f.livyBlock+"start_timeout 3s")
			for _, tt := range []struct{ name, engine, livyConf, want string }{
				{"missing", "missing", "", f.missing},
				{"dies", "fake", "livy.fake.die of-old-age", "ended: exit code 1; last lines: "},
				{"mute", "fake", "livy.fake.mute yes", "did not answer within 3s; last lines: "},
			} {
				t.Run(tt.name, func(t *testing.T) { startFails(t, c, f, redis, tt.name, tt.engine, tt.livyConf, tt.want) })
			}
			t.Run("orders", func(t *testing.T) { oddOrders(t, c, f) })
		})
	}
}

// startFails starts a gateway that cannot start.
func startFails(t *testing.T, c *caddy, f fakes, redis *storetest.Server, name, engine, livyConf, want string) {
	conf := filepath.Join(t.TempDir(), "livy.conf")
	write(t, conf, livyConf+"\n")
	var g gateway
	c.json(&g, "gateway", "create", name, "--engine", engine, "--livy-conf", conf, "--start", "--json")
	eventually(t, 20*time.Second, "the error", func() bool {
		g = c.show(name)
		return g.Status.State == "Error"
	})
	_, lines, _ := strings.Cut(g.Status.Reason, "last lines: ")
	if !strings.Contains(g.Status.Reason, want) || strings.Contains(want, "last lines") && !strings.Contains(lines, livyConf[:14]) {
		t.Errorf("reason %q", g.Status.Reason)
	}
	t.Logf("reason: %s", g.Status.Reason)
	cl := client{t, c.url(name), c.newToken(name).Token}
	if r := cl.do("GET", "/sessions", nil); r.status != http.StatusServiceUnavailable || strings.Contains(string(r.body), "livy.fake") {
		t.Errorf("a client is told %d %s", r.status, r.body)
	}
	c.livy("gateway", "stop", name, "--wait")
	if left := f.left(t, g.ID); len(left) > 0 {
		t.Errorf("left behind after the stop: %v", left)
	}
	c.livy("gateway", "delete", name, "--yes")
	if keys := fmt.Sprint(redis.MustDo("KEYS", "*"+g.ID+"*")); keys != "[]" {
		t.Errorf("left behind in Redis: %s", keys)
	}
}

// oddOrders starts twice at once, creates under a taken name, deletes what runs.
func oddOrders(t *testing.T, c *caddy, f fakes) {
	var g gateway
	c.json(&g, "gateway", "create", "etl", "--json")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := c.tryLivy("gateway", "start", "etl", "--wait"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if now := c.show("etl"); now.Status.State != "Running" || now.Status.Epoch != 1 {
		t.Errorf("after four starts at once: %+v", now.Status)
	}
	if _, err := c.tryLivy("gateway", "create", "etl", "--start"); err == nil || !strings.Contains(err.Error(), `name: is already used in workspace default (got "etl")`) {
		t.Errorf("a second gateway of that name: %v", err)
	}
	if _, err := c.tryLivy("gateway", "delete", "etl", "--yes"); err == nil || !strings.Contains(err.Error(), "is running: stop it first, or use force") {
		t.Errorf("deleting what runs: %v", err)
	}
	instance := c.show("etl").Status.Instance
	if instance == "" || len(f.left(t, g.ID)) == 0 {
		t.Error("the gateway did not survive the orders that were refused")
	}
	c.livy("gateway", "delete", "etl", "--force")
	if left := f.left(t, g.ID); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestPortTakenFromLivy takes the port of a real Livy before it can listen there:
// the stranger is not taken for Livy, which is started again on another port.
func TestPortTakenFromLivy(t *testing.T) {
	l := processLive(t)
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock+"\nstart_timeout 6m")
	var g gateway
	c.json(&g, "gateway", "create", "etl", "--start", "--json")
	var port string
	eventually(t, 20*time.Second, "the server's configuration", func() bool {
		conf, _ := os.ReadFile(filepath.Join(l.stateDir, g.ID, "1", "conf", "livy.conf"))
		_, rest, _ := strings.Cut(string(conf), "livy.server.port = ")
		line, _, ended := strings.Cut(rest, "\n")
		if port = strings.TrimSpace(line); !ended {
			port = "" // it may not have been written whole
		}
		return port != ""
	})
	stranger, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatalf("Livy was faster: %v", err)
	}
	// It even answers as Livy does.
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"version":"0.8.0-incubating"}`)
	})}
	go func() { _ = server.Serve(stranger) }()
	t.Cleanup(func() { _ = server.Close() })
	eventually(t, 3*time.Minute, "another server", func() bool {
		g = c.show("etl")
		return g.Status.State == "Running"
	})
	history := c.livy("gateway", "show", "etl", "--json")
	if !strings.Contains(history, "its port "+port+" was taken by another process") {
		t.Errorf("the history does not say why the first server failed:\n%s", history)
	}
	cl := client{t, c.url("etl"), c.newToken("etl").Token}
	var list struct{ Total *int }
	cl.expect(http.StatusOK, "GET", "/sessions", nil, &list)
	if list.Total == nil {
		t.Error("that was not Livy")
	}
	c.livy("gateway", "delete", "etl", "--force")
}
