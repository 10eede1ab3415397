package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"go.uber.org/zap/zaptest"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

var fakeImage = fmt.Sprintf("livygateway/fakelivy:test-%d", os.Getpid())

// needDocker skips the test where no Docker engine answers.
func needDocker(t *testing.T) *client.Client {
	t.Helper()
	api, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = api.Ping(ctx, client.PingOptions{})
	require.Need(t, require.Docker, err == nil, "no Docker engine answers")
	return api
}

var imported sync.Once

// fakeEngine makes an image with nothing in it but fakelivy, once.
func fakeEngine(t *testing.T) gateway.Engine {
	t.Helper()
	api := needDocker(t)
	imported.Do(func() { importFake(t, api) })
	return gateway.Engine{Name: "fake", Image: fakeImage}
}

func importFake(t *testing.T, api *client.Client) {
	t.Helper()
	binary := upstreamtest.FakeLivy(t)
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "livy-server", Mode: 0o755, Size: int64(len(binary))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(binary); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := api.ImageImport(t.Context(), client.ImageImportSource{Source: &layer, SourceName: "-"}, fakeImage,
		client.ImageImportOptions{Changes: []string{`ENTRYPOINT ["/livy-server"]`}})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if msg, err := io.ReadAll(out); err != nil || strings.Contains(string(msg), "error") {
		t.Fatalf("importing the image: %s %v", msg, err)
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	if api, err := client.New(client.FromEnv); err == nil {
		_, _ = api.ImageRemove(context.Background(), fakeImage, client.ImageRemoveOptions{})
	}
	os.Exit(code)
}

// namespace is one of this run alone: another run, or one that was killed, uses
// others.
func namespace(name string) string { return fmt.Sprintf("test-%d-%s", os.Getpid(), name) }

func newRuntime(t *testing.T, opts Options) *Runtime {
	t.Helper()
	if opts.Namespace == "" {
		opts.Namespace = namespace("own")
	}
	opts.Grace = time.Second
	r, err := New(opts, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestConformance(t *testing.T) {
	engine := fakeEngine(t)
	upstreamtest.Suite(t, upstreamtest.Harness{
		New: func(t *testing.T) upstream.Runtime {
			return newRuntime(t, Options{Namespace: namespace("conformance")})
		},
		Engine: engine,
		Broken: map[string]gateway.Engine{
			"no image":      {Name: "e"},
			"missing image": {Name: "e", Image: "livygateway/livy:0.0.0-nowhere"},
			"bad image":     {Name: "e", Image: "UPPER CASE"},
		},
		Version: "0.8.0",
		Fake:    true,
	})
}

func launch(t *testing.T, engine gateway.Engine) upstream.Launch {
	t.Helper()
	spec := gateway.Spec{Name: "nightly", CPU: 1, Memory: "4Gi"}
	files := upstream.RenderConf(upstream.ConfInput{Master: "local[1]"})
	return upstream.Launch{
		GatewayID: fmt.Sprintf("lc-dockertest-%d", os.Getpid()), Workspace: "lab", Name: "nightly", CPU: spec.CPU,
		Memory: spec.MemoryBytes(), Engine: engine, Files: files, Env: map[string]string{"EXTRA": "yes"},
	}
}

func started(t *testing.T, r *Runtime, l upstream.Launch) upstream.Instance {
	t.Helper()
	inst, err := r.Start(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(context.Background(), l.GatewayID, upstream.AnyEpoch); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	if _, err := upstreamtest.WaitReady(t.Context(), r, inst); err != nil {
		t.Fatal(err)
	}
	return inst
}

func TestContainer(t *testing.T) {
	api := needDocker(t)
	r := newRuntime(t, Options{})
	l := launch(t, fakeEngine(t))
	inst := started(t, r, l)

	got, err := api.ContainerInspect(t.Context(), "livygw-"+l.GatewayID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h, c := got.Container.HostConfig, got.Container.Config
	checks := map[string]bool{
		"memory limit":       h.Memory == 4<<30 && h.MemorySwap == 4<<30,
		"CPU limit":          h.NanoCPUs == 1e9,
		"process limit":      h.PidsLimit != nil && *h.PidsLimit == maxProcesses,
		"no capabilities":    len(h.CapDrop) == 1 && h.CapDrop[0] == "ALL" && !h.Privileged,
		"no new privileges":  len(h.SecurityOpt) == 1 && h.SecurityOpt[0] == "no-new-privileges",
		"not restarted":      h.RestartPolicy.Name == container.RestartPolicyDisabled,
		"bounded log":        h.LogConfig.Type == "json-file" && h.LogConfig.Config["max-size"] == "10m",
		"no host paths":      len(h.Binds) == 0 && len(h.Mounts) == 0 && len(got.Container.Mounts) == 0,
		"not root":           c.User == "10001:10001",
		"label of gateway":   c.Labels["io.github.livygateway.gateway"] == l.GatewayID,
		"label of workspace": c.Labels["io.github.livygateway.workspace"] == "lab",
		"label of name":      c.Labels["io.github.livygateway.name"] == "nightly",
		"label of namespace": c.Labels["io.github.livygateway.namespace"] == namespace("own"),
		"loopback only":      strings.HasPrefix(inst.Address, "127.0.0.1:"),
	}
	for what, ok := range checks {
		if !ok {
			t.Errorf("%s: not so in %+v %+v %s", what, h, c, inst.Address)
		}
	}
	if who := upstreamtest.Get(t, inst.Address, "/whoami"); !strings.HasPrefix(who, "uid=10001 ") {
		t.Errorf("runs as %s", who)
	}
	if conf := upstreamtest.Get(t, inst.Address, "/conf/livy.conf"); !strings.Contains(conf, "livy.server.port = 8998\n") {
		t.Errorf("livy.conf:\n%s", conf)
	}
	if env := upstreamtest.Get(t, inst.Address, "/env"); !strings.Contains(env, "EXTRA=yes\n") || !strings.Contains(env, "LIVY_CONF_DIR=/etc/livy\n") {
		t.Errorf("the environment:\n%s", env)
	}
}

func TestNamespacesDoNotSeeEachOther(t *testing.T) {
	l := launch(t, fakeEngine(t))
	mine, theirs := newRuntime(t, Options{Namespace: namespace("mine")}), newRuntime(t, Options{Namespace: namespace("theirs")})
	inst := started(t, mine, l)
	if found, ok, err := theirs.Find(t.Context(), l.GatewayID); err != nil || ok {
		t.Errorf("found in another namespace: %+v, %v", found, err)
	}
	if all, err := theirs.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("listed in another namespace: %v, %v", all, err)
	}
	if err := theirs.Stop(t.Context(), l.GatewayID, upstream.AnyEpoch); err != nil {
		t.Error(err)
	}
	if _, err := theirs.Start(t.Context(), l); gateway.KindOf(err) != gateway.KindConflict {
		t.Errorf("Start under a name that is taken: %v", err)
	}
	if now, ok, err := mine.Find(t.Context(), l.GatewayID); err != nil || !ok || now != inst {
		t.Errorf("disturbed from another namespace: %+v, %v, %v", now, ok, err)
	}
}

func TestLogsOutliveTheProcess(t *testing.T) {
	l := launch(t, fakeEngine(t))
	dir := t.TempDir()
	first := newRuntime(t, Options{LogDir: dir})
	inst := started(t, first, l)
	upstreamtest.Get(t, inst.Address, "/say?line=famous-last-words")
	if err := first.Stop(t.Context(), l.GatewayID, upstream.AnyEpoch); err != nil {
		t.Fatal(err)
	}
	second := newRuntime(t, Options{LogDir: dir})
	lines, err := second.Logs(t.Context(), l.GatewayID, 1)
	if err != nil || len(lines) != 1 || !strings.HasSuffix(lines[0], "famous-last-words") {
		t.Errorf("Logs = %q, %v", lines, err)
	}
	if err := second.Forget(t.Context(), l.GatewayID); err != nil {
		t.Fatal(err)
	}
	if lines, err := second.Logs(t.Context(), l.GatewayID, 1); err != nil || len(lines) != 0 {
		t.Errorf("Logs after Forget = %q, %v", lines, err)
	}
}

func TestImpossibleLimitLeavesNothing(t *testing.T) {
	r := newRuntime(t, Options{})
	l := launch(t, fakeEngine(t))
	l.CPU = 100000
	if _, err := r.Start(t.Context(), l); gateway.KindOf(err) != gateway.KindInvalid {
		t.Errorf("Start: %v; want an error of KindInvalid", err)
	}
	if all, err := r.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("left behind: %v, %v", all, err)
	}
}

func TestUnknownNetworkLeavesNothing(t *testing.T) {
	r := newRuntime(t, Options{Network: "livygateway-no-such-network"})
	l := launch(t, fakeEngine(t))
	_, err := r.Start(t.Context(), l)
	if k := gateway.KindOf(err); k != gateway.KindInvalid || !strings.Contains(err.Error(), "livygateway-no-such-network") {
		t.Errorf("Start: %v; want an error of KindInvalid that names the network", err)
	}
	if all, err := r.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("left behind: %v, %v", all, err)
	}
}

func TestEngineAway(t *testing.T) {
	r := newRuntime(t, Options{Host: "unix:///nowhere/docker.sock"})
	l := launch(t, gateway.Engine{Name: "e", Image: "i"})
	_, startErr := r.Start(t.Context(), l)
	_, _, findErr := r.Find(t.Context(), l.GatewayID)
	_, listErr := r.List(t.Context())
	_, logsErr := r.Logs(t.Context(), l.GatewayID, 1)
	for what, err := range map[string]error{
		"Start": startErr, "Find": findErr, "List": listErr, "Logs": logsErr, "Stop": r.Stop(t.Context(), l.GatewayID, upstream.AnyEpoch),
	} {
		if gateway.KindOf(err) != gateway.KindUnavailable || !strings.Contains(err.Error(), "Docker engine does not answer") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// An instance on another machine reaches Livy at an address that is published,
// one in the containers' network at the container's own.
func TestAddresses(t *testing.T) {
	api := needDocker(t)
	for name, tt := range map[string]struct {
		opts   Options
		prefix string
	}{
		"published":  {Options{Publish: netip.MustParseAddr("127.0.0.2")}, "127.0.0.2:"},
		"in network": {Options{Direct: true, Network: "bridge"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := launch(t, fakeEngine(t))
			inst := started(t, newRuntime(t, tt.opts), l)
			if !strings.HasPrefix(inst.Address, tt.prefix) {
				t.Errorf("at %s", inst.Address)
			}
			upstreamtest.Get(t, inst.Address, "/version")
			got, err := api.ContainerInspect(t.Context(), "livygw-"+l.GatewayID, client.ContainerInspectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if ports := got.Container.HostConfig.PortBindings; tt.opts.Direct && len(ports) != 0 {
				t.Errorf("published all the same: %v", ports)
			}
			if tt.opts.Direct && !strings.HasSuffix(inst.Address, ":8998") {
				t.Errorf("at %s", inst.Address)
			}
		})
	}
}
