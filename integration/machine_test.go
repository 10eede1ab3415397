package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	poll "github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/internal/ports"
	"github.com/livygateway/livygateway/internal/require"
)

// root is the folder of the repository.
var root = func() string {
	wd, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return filepath.Dir(wd)
}()

func setting(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

// binary returns the path of the Caddy under test.
func binary(t testing.TB) string {
	t.Helper()
	path := setting("LIVYGW_BINARY", filepath.Join(root, "bin", "caddy"))
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no binary to test: %v (make build)", err)
	}
	return path
}

// engineDir is Livy and Spark as "make engine" prepares them.
type engineDir struct {
	LivyHome    string `json:"-"`
	SparkHome   string `json:"-"`
	Livy        string `json:"livy"`        // version
	Spark       string `json:"spark"`       // version
	Interactive bool   `json:"interactive"` // whether sessions run on it, not only batches
	Java        string `json:"java"`        // home of its Java
}

var preparedEngine = sync.OnceValue(func() *engineDir {
	dir := setting("LIVYGW_ENGINE", filepath.Join(root, ".run", "engine"))
	text, err := os.ReadFile(filepath.Join(dir, "engine.json"))
	if err != nil {
		return nil
	}
	e := &engineDir{LivyHome: filepath.Join(dir, "livy"), SparkHome: filepath.Join(dir, "spark")}
	if json.Unmarshal(text, e) != nil {
		return nil
	}
	return e
})

// dockerAnswers reports whether a Docker engine answers.
var dockerAnswers = sync.OnceValue(func() bool {
	return docker("version", "--format", "{{.Server.Version}}") == nil
})

// imageThere reports whether the engine image is there.
var imageThere = sync.OnceValue(func() bool {
	return dockerAnswers() && docker("image", "inspect", image()) == nil
})

func image() string {
	return setting("LIVYGW_IMAGE", "livygateway/livy:0.8.0-spark3.5.8")
}

// imageLivy is the version of Livy in the engine image, from its tag.
func imageLivy() string {
	_, tag, _ := strings.Cut(image(), ":")
	livy, _, _ := strings.Cut(tag, "-")
	return livy
}

func docker(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return exec.CommandContext(ctx, "docker", args...).Run()
}

// clientDir is where "make clients" puts a client: "airflow", "java" and so on.
func clientDir(t testing.TB, name string) string {
	t.Helper()
	if dir := os.Getenv("LIVYGW_CLIENTS"); dir != "" {
		return filepath.Join(dir, name)
	}
	out, err := exec.Command(filepath.Join(root, "scripts", "prepare-clients"), "--where", name).Output()
	if err != nil {
		t.Fatalf("asking where %s is: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

// clientPython returns the Python of a prepared client: "airflow", "sparkmagic", "python"
// or "openapi".
func clientPython(t testing.TB, name string) string {
	t.Helper()
	env := clientDir(t, name)
	_, err := os.Stat(filepath.Join(env, ".complete"))
	need := name
	if name == "python" {
		need = require.PyLivy
	}
	require.Need(t, need, err == nil, "not prepared (make clients)")
	return filepath.Join(env, "bin", "python")
}

// live is one way to run a real Livy: a runtime and the engine for it.
type live struct {
	runtime     string // "docker" or "process"
	livyBlock   string // lines of the Caddyfile's livy block
	interactive bool
	stateDir    string // runtime process: a folder for each gateway
	namespace   string // runtime docker: that of the containers
}

// onEachRuntime runs a test in containers and as processes, as far as the
// machine has them.
func onEachRuntime(t *testing.T, test func(t *testing.T, l live)) {
	t.Run("docker", func(t *testing.T) { test(t, dockerLive(t)) })
	t.Run("process", func(t *testing.T) { test(t, processLive(t)) })
}

// oneLive runs a test in a container if the machine has the image, else as a process.
func oneLive(t testing.TB) live {
	t.Helper()
	if imageThere() {
		return dockerLive(t)
	}
	return processLive(t)
}

func dockerLive(t testing.TB) live {
	t.Helper()
	require.Need(t, require.Docker, dockerAnswers(), "no Docker engine answers")
	require.Need(t, require.Image, imageThere(), "image "+image()+" is not there (make image)")
	namespace := fmt.Sprintf("test-%s-%d", strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())), os.Getpid())
	t.Cleanup(func() { removeContainers(t, namespace) })
	return live{
		runtime: "docker", namespace: namespace,
		livyBlock: `runtime docker {
			namespace ` + namespace + `
		}
		engine spark-3.5 {
			livy ` + imageLivy() + `
			image ` + image() + `
		}`,
		interactive: !strings.Contains(image(), ":0.7."),
	}
}

func processLive(t testing.TB) live {
	t.Helper()
	e := preparedEngine()
	require.Need(t, require.Livy, e != nil, "no engine is prepared (make engine)")
	stateDir := t.TempDir()
	t.Cleanup(func() { endProcesses(t, stateDir) })
	return live{
		runtime: "process",
		livyBlock: `runtime process {
			state_dir ` + stateDir + `
		}
		engine spark-3.5 {
			livy ` + strings.TrimSuffix(e.Livy, "-incubating") + `
			livy_home ` + e.LivyHome + `
			spark_home ` + e.SparkHome + `
		}`,
		interactive: e.Interactive,
		stateDir:    stateDir,
	}
}

// hostOf is the address at which Livy servers find this machine: containers at
// the bridge that they are on.
func hostOf(t testing.TB, l live) string {
	t.Helper()
	if l.runtime != "docker" {
		return "127.0.0.1"
	}
	out, err := exec.Command("docker", "network", "inspect", "bridge").Output()
	if err != nil {
		t.Fatalf("looking at the containers' network: %v", err)
	}
	host, err := bridgeAddress(out)
	if err != nil {
		t.Fatalf("looking at the containers' network: %v", err)
	}
	return host
}

// bridgeAddress finds this machine's address on a bridge that docker network inspect
// shows. After its first start an engine does not say it, until it is started again;
// the bridge itself has it.
func bridgeAddress(inspect []byte) (string, error) {
	var networks []struct {
		IPAM    struct{ Config []struct{ Gateway string } }
		Options map[string]string
	}
	if err := json.Unmarshal(inspect, &networks); err != nil || len(networks) != 1 {
		return "", fmt.Errorf("one network is wanted: %v, %s", err, inspect)
	}
	for _, c := range networks[0].IPAM.Config {
		if net.ParseIP(c.Gateway).To4() != nil {
			return c.Gateway, nil
		}
	}
	name := networks[0].Options["com.docker.network.bridge.name"]
	bridge, err := net.InterfaceByName(name)
	if err != nil {
		return "", fmt.Errorf("bridge %q: %w", name, err)
	}
	addresses, err := bridge.Addrs()
	if err != nil {
		return "", fmt.Errorf("bridge %s: %w", name, err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil {
			return ip.IP.String(), nil
		}
	}
	return "", fmt.Errorf("bridge %s has no address", name)
}

func TestBridgeAddress(t *testing.T) {
	for name, tt := range map[string]struct{ inspect, want string }{
		"the engine says it": {`[{"IPAM":{"Config":[{"Subnet":"172.17.0.0/16","Gateway":"172.17.0.1"}]}}]`, "172.17.0.1"},
		"with IPv6":          {`[{"IPAM":{"Config":[{"Subnet":"fd00::/64","Gateway":"fd00::1"},{"Subnet":"172.17.0.0/16","Gateway":"172.17.0.1"}]}}]`, "172.17.0.1"},
		// The loopback stands for the bridge.
		"after its first start": {`[{"IPAM":{"Config":[{"Subnet":"127.0.0.0/8"}]},"Options":{"com.docker.network.bridge.name":"lo"}}]`, "127.0.0.1"},
	} {
		if got, err := bridgeAddress([]byte(tt.inspect)); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %s", name, got, err, tt.want)
		}
	}
	for _, inspect := range []string{`[]`, `[{"IPAM":{"Config":[{}]},"Options":{"com.docker.network.bridge.name":"no-such-bridge"}}]`} {
		if got, err := bridgeAddress([]byte(inspect)); err == nil {
			t.Errorf("%s: %q", inspect, got)
		}
	}
}

// removeContainers ends what a failed test left behind.
func removeContainers(t testing.TB, namespace string) {
	t.Helper()
	out, err := exec.Command("docker", "ps", "-aq", "--filter", "label=io.github.livygateway.namespace="+namespace).Output()
	if err != nil {
		t.Logf("listing containers of %s: %v", namespace, err)
		return
	}
	for id := range strings.FieldsSeq(string(out)) {
		if err := exec.Command("docker", "rm", "-f", id).Run(); err != nil {
			t.Logf("removing container %s: %v", id, err)
		}
	}
}

// endProcesses ends what a failed test left behind: the servers that the process
// runtime noted in its folder.
func endProcesses(t testing.TB, stateDir string) {
	t.Helper()
	notes, _ := filepath.Glob(filepath.Join(stateDir, "*", "*", "state.json"))
	for _, note := range notes {
		var state struct{ PID int }
		text, err := os.ReadFile(note)
		if err != nil || json.Unmarshal(text, &state) != nil || state.PID < 2 {
			continue
		}
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", state.PID))
		if err != nil || !strings.Contains(string(cmdline), "LivyServer") {
			continue
		}
		t.Logf("ending process %d", state.PID)
		_ = syscall.Kill(-state.PID, syscall.SIGKILL)
		_ = syscall.Kill(state.PID, syscall.SIGKILL)
	}
}

// sparePort returns a port of 127.0.0.1 that is this test's own.
func sparePort(t testing.TB) string {
	t.Helper()
	return strconv.Itoa(ports.Spare(t))
}

// eventually waits until ok, for at least a minute: a busy machine must not fail a test.
func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	poll.True(t, max(limit, time.Minute), what, ok)
}
