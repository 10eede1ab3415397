package storetest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/livygateway/livygateway/internal/ports"
	"github.com/livygateway/livygateway/internal/store"
)

// SentinelGroup is a primary, a replica of it, and three Sentinels that make
// the replica the primary when the primary is down for half a second.
type SentinelGroup struct {
	Primary, Replica *Server
	Sentinels        []*Server
}

const masterName = "mymaster"

// StartSentinelGroup starts a group and waits until its parts know each other.
func StartSentinelGroup(t testing.TB) *SentinelGroup {
	t.Helper()
	g := &SentinelGroup{Primary: StartServer(t)}
	g.Replica = StartReplica(t, g.Primary)
	for range 3 {
		g.Sentinels = append(g.Sentinels, startSentinel(t, g.Primary))
	}
	for _, s := range g.Sentinels {
		s.AwaitReply("SENTINEL REPLICAS "+masterName, g.Replica.Addr())
		s.AwaitReply("SENTINEL CKQUORUM "+masterName, "OK 3 usable Sentinels")
	}
	return g
}

// Options returns the options for opening a store on the group.
func (g *SentinelGroup) Options() store.Options {
	o := store.Options{SentinelMaster: masterName}
	for _, s := range g.Sentinels {
		o.Addrs = append(o.Addrs, s.Addr())
	}
	return o
}

func startSentinel(t testing.TB, primary *Server) *Server {
	t.Helper()
	port := ports.Spare(t)
	dir := t.TempDir()
	host, primaryPort, _ := net.SplitHostPort(primary.addr)
	conf := fmt.Sprintf(`port %d
bind 127.0.0.1
dir %s
logfile %s
sentinel monitor %[4]s %s %s 2
sentinel down-after-milliseconds %[4]s 500
sentinel failover-timeout %[4]s 3000
`, port, dir, filepath.Join(dir, "sentinel.log"), masterName, host, primaryPort)
	file := filepath.Join(dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, binary: "redis-sentinel", args: []string{file}, addr: "127.0.0.1:" + strconv.Itoa(port), dir: dir}
	s.launch()
	s.AwaitReply("PING", "PONG")
	return s
}
