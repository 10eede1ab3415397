// Package upstream runs Livy servers: one per gateway, in a container, as a
// process, or as one that already exists somewhere. Its sub-packages docker,
// process and static each implement Runtime; the package itself renders Livy's
// configuration files and knows when a server is ready.
package upstream

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
)

// Launch is everything that a runtime needs to start a gateway's Livy server.
type Launch struct {
	GatewayID string
	Workspace string
	Name      string
	CPU       int
	Memory    int64 // bytes
	Engine    gateway.Engine
	// Master is where jobs run: Livy's livy.spark.master.
	Master string
	// Files are the rendered configuration files by base name: livy.conf,
	// livy-client.conf, spark-blacklist.conf, spark-defaults.conf, log4j.properties.
	Files map[string]string
	// ClusterFiles are a cluster's client configuration by base name, e.g.
	// yarn-site.xml. The server finds them where HADOOP_CONF_DIR says.
	ClusterFiles map[string]string
	// Env are further environment variables of the server.
	Env map[string]string
	// Network is the Docker network to join; empty: the runtime's own.
	Network string
	// Directories are mounted for the server and the drivers beside it.
	Directories []gateway.Directory
	// Archives are unpacked for the drivers beside the server.
	Archives []Archive
	// Installation marks what is started as this installation's.
	Installation string
	// Epoch marks the server as the gateway's so many-th; see Runtime.Stop.
	Epoch int64
	// Confirm is asked when everything is ready and only the server's first step
	// is missing: Start has by then taken the gateway's place, where Stop finds and
	// removes it. When it fails nothing is started. Nil: it is taken as said.
	Confirm func(ctx context.Context) error `json:"-"`
}

// RunsLocally reports whether drivers and executors run beside the Livy server.
func (l *Launch) RunsLocally() bool {
	return l.Master == "" || l.Master == "local" || strings.HasPrefix(l.Master, "local[")
}

// Confirmed asks Confirm.
func (l *Launch) Confirmed(ctx context.Context) error {
	if l.Confirm == nil {
		return nil
	}
	return l.Confirm(ctx)
}

// Instance is one Livy server that a runtime started (or, static, was given).
type Instance struct {
	GatewayID string
	// ID is unique for each start: a container id, or pid and start time. Livy's
	// own ids begin at 0 again when it changes.
	ID string
	// Address is host:port as reached from here.
	Address string
	Started time.Time
	// Running is false for one that has exited but is still there to be read.
	Running bool
	// Exit says how it ended, e.g. "exit code 137 (out of memory)"; empty while running.
	Exit string
	// Installation and Epoch are those of the Launch; empty and 0 where they are
	// not known.
	Installation string
	Epoch        int64
}

// AnyEpoch lets Stop end a gateway's server whichever it is.
const AnyEpoch int64 = math.MaxInt64

// Runtime starts and stops Livy servers. Implementations are safe for
// concurrent use; calls for one gateway are made one at a time.
type Runtime interface {
	// Name is "docker", "process" or "static".
	Name() string
	// Start starts a server and returns as soon as its address is known; it does
	// not wait until Livy answers. What was half done is undone on an error. A
	// server of an earlier epoch is ended first; one of the same epoch or a later
	// one that still runs is an error of KindConflict.
	Start(ctx context.Context, l Launch) (Instance, error)
	// Stop ends the gateway's server (first gently, then not) and removes what
	// was started, if it is of the epoch upTo or an earlier one: who decided long ago
	// that a server is to end cannot end its successor. Stopping what does not
	// exist is no error. Logs of the last run stay readable.
	Stop(ctx context.Context, gatewayID string, upTo int64) error
	// Find returns the gateway's instance, also one started by an earlier
	// process of ours; ok is false when there is none.
	Find(ctx context.Context, gatewayID string) (inst Instance, ok bool, err error)
	// List returns all instances of ours, for finding orphans.
	List(ctx context.Context) ([]Instance, error)
	// Logs returns the last lines of the server's output.
	Logs(ctx context.Context, gatewayID string, lines int) ([]string, error)
	// Close lets go of clients and files; it stops no server.
	Close() error
}

// Adopter is a Runtime that leaves no marks by which Find could recognise a
// server after a restart of ours. It is told the instance that was written down.
type Adopter interface {
	Adopt(gatewayID, instanceID string)
}

// External is a Runtime whose servers are started and stopped by somebody else. They are
// kept as they are when they do not answer: starting them again would only lose sight of
// their sessions.
type External interface {
	External()
}

// Pinger is a Runtime that works by way of something that can be away, such as a
// Docker engine.
type Pinger interface {
	// Ping returns nil if it is there.
	Ping(ctx context.Context) error
}

// Locator is a Runtime whose servers can be reached and stopped from one location only: one
// machine, or wherever one Docker engine is reachable.
type Locator interface {
	// Location names that location. It fails with KindUnavailable while it is unknown.
	Location(ctx context.Context) (string, error)
}

// Forgetter is a Runtime that keeps something after Stop, the last log, and can
// throw it away when the gateway is deleted.
type Forgetter interface {
	Forget(ctx context.Context, gatewayID string) error
}

// Examiner is a Runtime that can tell whether it finds what it needs to run the
// engines of a catalog, and how to mend what is missing.
type Examiner interface {
	Examine(ctx context.Context, c *gateway.Catalog) []doctor.Result
}
