package process

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

// TestWarehouse: the server gets a metastore at a port of its own, for a directory that only
// its user can read and that outlives it.
func TestWarehouse(t *testing.T) {
	r := newRuntime(t, Options{StateDir: t.TempDir()})
	l := launch(t, fakeEngine(t))
	parent := t.TempDir()
	l.Warehouse = gateway.Directory{Name: "tables", Path: filepath.Join(parent, "lc-1")}
	started(t, r, l)
	s, d, ok, err := r.newest(l.GatewayID)
	if err != nil || !ok || s.Metastore == 0 || s.Metastore == s.Port {
		t.Fatalf("state %+v, %v", s, err)
	}
	run, err := os.ReadFile(filepath.Join(d.conf, "metastore.sh"))
	if want := "Metastore '" + l.Warehouse.Path + "' '127.0.0.1' "; err != nil || !strings.Contains(string(run), want) {
		t.Errorf("metastore.sh, without %q: %v\n%s", want, err, run)
	}
	if info, err := os.Stat(l.Warehouse.Path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info, err)
	}
	if !r.notedPort(s.Metastore) {
		t.Error("another server could get the metastore's port")
	}
	if err := r.Stop(t.Context(), l.GatewayID, l.Epoch); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(l.Warehouse.Path); err != nil {
		t.Errorf("the directory after the stop: %v", err)
	}
}

func TestWarehouseWithoutItsDirectory(t *testing.T) {
	r := newRuntime(t, Options{StateDir: t.TempDir()})
	l := launch(t, fakeEngine(t))
	l.Warehouse = gateway.Directory{Name: "tables", Path: filepath.Join(t.TempDir(), "gone", "lc-1")}
	if _, err := r.Start(t.Context(), l); err == nil || !strings.Contains(err.Error(), "directory tables: path: must exist") {
		t.Errorf("%v", err)
	}
}

// TestWarehouseOfAnotherUser: a server that gets another user of the pool than the last time
// finds its tables, and a link among them changes nothing elsewhere.
func TestWarehouseOfAnotherUser(t *testing.T) {
	needRoot(t)
	parent := t.TempDir()
	d := gateway.Directory{Name: "tables", Path: filepath.Join(parent, "lc-1")}
	outside := filepath.Join(parent, "outside")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, uid := range []uint32{4001, 4002} {
		if err := makeWarehouse(d, &syscall.Credential{Uid: uid, Gid: uid}); err != nil {
			t.Fatal(err)
		}
		inner := filepath.Join(d.Path, "tables", "a")
		if i == 0 {
			if err := os.MkdirAll(inner, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(outside, filepath.Join(d.Path, "link")); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for path, want := range map[string]uint32{d.Path: uid, inner: uid, filepath.Dir(inner): uid, outside: 0} {
			info, err := os.Stat(path)
			if err != nil || info.Sys().(*syscall.Stat_t).Uid != want {
				t.Errorf("%s: %+v, %v; want user %d", path, info, err, want)
			}
		}
	}
}
