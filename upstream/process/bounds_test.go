package process

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

// A stranger that listens on the port before Livy does is not taken for it.
func TestAPortThatIsTakenMeanwhile(t *testing.T) {
	r := newRuntime(t, Options{})
	l := launch(t, fakeEngine(t))
	l.Files[upstream.LivyConf] += "livy.fake.pause = 1h\n"
	inst, err := r.Start(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Stop(t.Context(), l.GatewayID, upstream.AnyEpoch) })
	if now, _, err := r.Find(t.Context(), l.GatewayID); err != nil || !now.Running {
		t.Fatalf("before anybody listens: %+v, %v", now, err)
	}
	stranger, err := net.Listen("tcp", inst.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	now, ok, err := r.Find(t.Context(), l.GatewayID)
	if err != nil || !ok || now.Running || !strings.Contains(now.Exit, "was taken by another process") {
		t.Fatalf("with a stranger on its port: %+v, %v, %v", now, ok, err)
	}
	// It can be started over, on another port.
	again := launch(t, l.Engine)
	second, err := r.Start(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := upstreamtest.WaitReady(t.Context(), r, second); err != nil || second.Address == inst.Address {
		t.Errorf("started over at %s, was %s: %v", second.Address, inst.Address, err)
	}
}

// Two servers that start at the same time are not given the same port.
func TestReservedPorts(t *testing.T) {
	r := newRuntime(t, Options{})
	d := r.dirs("lc-noted", 0)
	if err := os.MkdirAll(d.own, 0o700); err != nil {
		t.Fatal(err)
	}
	port, err := r.reservePort()
	if err != nil {
		t.Fatal(err)
	}
	if !r.ports[port] {
		t.Error("the port is not reserved")
	}
	if err := d.writeState(state{GatewayID: "lc-noted", Port: port}); err != nil {
		t.Fatal(err)
	}
	r.releasePort(port)
	if r.ports[port] || !r.notedPort(port) || r.notedPort(port+1) {
		t.Error("a port is taken as long as a state file holds it")
	}
}

// smallDisk is a directory on a file system of that many pages.
func smallDisk(t *testing.T, pages int) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", pages*os.Getpagesize()))
	require.Need(t, require.Mount, err == nil, fmt.Sprintf("a small file system cannot be mounted here (root is needed): %v", err))
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestAFullDiskLeavesNothing(t *testing.T) {
	engine := fakeEngine(t)
	texts := 0 // pages of configuration
	for _, text := range launch(t, engine).Files {
		if text != "" {
			texts++
		}
	}
	for name, tt := range map[string]struct {
		pages int
		want  string
	}{
		"while the configuration is written": {texts - 1, "writing "},
		"while the process is noted":         {texts, "noting process"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := smallDisk(t, tt.pages)
			r := newRuntime(t, Options{StateDir: dir})
			l := launch(t, engine)
			_, err := r.Start(t.Context(), l)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "no space left on device") {
				t.Fatalf("Start: %v; want %q and the disk's error", err, tt.want)
			}
			t.Logf("the error: %v", err)
			if _, ok, err := r.Find(t.Context(), l.GatewayID); ok || err != nil {
				t.Errorf("found %v, %v", ok, err)
			}
			for end := time.Now().Add(5 * time.Second); len(r.members(l.GatewayID, upstream.AnyEpoch)) > 0; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("processes left behind: %v", r.members(l.GatewayID, upstream.AnyEpoch))
				}
			}
			left, _ := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
			for _, path := range left {
				if base := filepath.Base(path); !strings.HasPrefix(base, "livy.log") {
					t.Errorf("left behind: %s", path)
				}
			}
			if len(r.ports) != 0 {
				t.Errorf("ports left reserved: %v", r.ports)
			}
			// With room again it starts.
			if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=1m"); err != nil {
				t.Fatal(err)
			}
			inst, err := r.Start(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := upstreamtest.WaitReady(t.Context(), r, inst); err != nil {
				t.Error(err)
			}
			if err := r.Stop(t.Context(), l.GatewayID, upstream.AnyEpoch); err != nil {
				t.Error(err)
			}
		})
	}
}
