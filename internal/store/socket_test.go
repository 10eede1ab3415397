package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// A Redis that listens on a Unix socket alone is used by its path.
func TestRedisOnASocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "livygw") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "redis.sock")
	server := storetest.StartServer(t, "--unixsocket", socket, "--unixsocketperm", "600")
	server.SetPassword("s3cr3t")
	s := storetest.Open(t, store.Options{URL: "unix://:s3cr3t@" + socket + "?db=1", Timeout: storetest.Patience})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := server.MustDo("DBSIZE"); got != int64(0) {
		t.Errorf("database 0 has %v keys, want none", got)
	}
	server.MustDo("SWAPDB", 0, 1)
	if got := server.MustDo("DBSIZE"); got == int64(0) {
		t.Error("nothing was written to database 1")
	}
}
