package process

import (
	"context"
	"errors"
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
	t.Cleanup(func() { _ = r.Stop(context.Background(), l.GatewayID, upstream.AnyEpoch) })
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
	port, err := r.reservePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if !r.ports[port] {
		t.Error("the port is not reserved")
	}
	if err := d.writeState(state{ServerID: "lc-noted", Port: port}); err != nil {
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
		"while the process is recorded":      {texts, "recording process"},
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
			for end := time.Now().Add(30 * time.Second); len(r.members(l.GatewayID, upstream.AnyEpoch)) > 0; time.Sleep(10 * time.Millisecond) {
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

// Jobs can write where Livy has its access log. What they put there, a link among
// it, must not have files cut that only we may write.
func TestLogsAreBoundedWhereTheyAre(t *testing.T) {
	const limit = 1000
	elsewhere := filepath.Join(t.TempDir(), "of.request.log")
	long := strings.Repeat("line\n", limit)
	size := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	for what, plant := range map[string]func(d dirs) error{
		"a link to a file": func(d dirs) error { return os.Symlink(elsewhere, filepath.Join(d.logs(), "a.request.log")) },
		"a link to a directory": func(d dirs) error {
			return errors.Join(os.RemoveAll(d.logs()), os.Symlink(filepath.Dir(elsewhere), d.logs()))
		},
		"no directory": func(d dirs) error { return os.RemoveAll(d.work) },
	} {
		r := newRuntime(t, Options{})
		d := r.dirs("lc-1", 1)
		if err := d.prepare(nil, &upstream.Launch{}, nil); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{elsewhere, d.log, filepath.Join(d.logs(), "own.request.log")} {
			if err := os.WriteFile(path, []byte(long), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := plant(d); err != nil {
			t.Fatal(err)
		}
		if err := d.boundLogs(limit); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if size(elsewhere) != int64(len(long)) {
			t.Errorf("%s: a file elsewhere was cut", what)
		}
		if size(d.log) > limit {
			t.Errorf("%s: the server's log was not cut", what)
		}
		if what == "a link to a file" && size(filepath.Join(d.logs(), "own.request.log")) > limit {
			t.Errorf("%s: the access log was not cut", what)
		}
	}
}
