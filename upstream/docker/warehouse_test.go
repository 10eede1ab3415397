package docker

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

// TestWarehouse: the engine makes the directory, for the server's user alone, and it outlives
// the container.
func TestWarehouse(t *testing.T) {
	needDocker(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root: others cannot look at the directory of the container's user, nor remove it")
	}
	r := newRuntime(t, Options{})
	l := launch(t, fakeEngine(t))
	source := filepath.Join(t.TempDir(), "tables", "lc-1")
	l.Warehouse = gateway.Directory{Name: "tables", Source: source, Path: "/mnt/tables/lc-1"}
	for range 2 { // it is there already when the next server starts
		started(t, r, l)
		info, err := os.Stat(source)
		if err != nil || info.Mode().Perm() != 0o700 || info.Sys().(*syscall.Stat_t).Uid != userID {
			t.Fatalf("the directory: %+v, %v", info, err)
		}
		if err := r.Stop(t.Context(), l.GatewayID, l.Epoch); err != nil {
			t.Fatal(err)
		}
		l.Epoch++
	}
	if _, err := os.Stat(source); err != nil {
		t.Errorf("after the stop: %v", err)
	}
}

func TestNoWarehouse(t *testing.T) {
	if got := warehouse(gateway.Directory{}); got != nil {
		t.Errorf("%v", got)
	}
	if got := warehouse(gateway.Directory{Source: "/srv/t/lc-1", Path: "/mnt/t/lc-1"}); !slices.Equal(got, []string{"/srv/t/lc-1:/mnt/t/lc-1"}) {
		t.Errorf("%v", got)
	}
}
