// Package upstream runs the Livy servers of gateways, in a container, a pod or a process, or as an
// existing server. Its sub-packages docker, kubernetes, process and static each implement Runtime;
// the package itself renders Livy's configuration files and checks whether a server is ready.
package upstream

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
)

// Launch is everything that a runtime needs to start a gateway's Livy server.
type Launch struct {
	GatewayID string
	// Number tells the servers of a gateway apart that run side by side; 0 stands for 1.
	Number    int
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
	// ClusterFiles are a cluster's client configuration by base name, e.g. yarn-site.xml.
	// HADOOP_CONF_DIR points the server to them.
	ClusterFiles map[string]string
	// Kubeconfig is the text of a kubeconfig for Spark, which KUBECONFIG names; empty: none.
	Kubeconfig string
	// Env holds additional environment variables of the server.
	Env map[string]string
	// Network is the Docker network to join; empty: the runtime's own.
	Network string
	// Directories are mounted for the server and the drivers next to it.
	Directories []gateway.Directory
	// Warehouse is mounted like Directories, and keeps the tables of jobs: the runtime makes
	// it if it is missing, owned by the server's user, and starts a metastore for it beside
	// the server. Zero: none.
	Warehouse gateway.Directory
	// Archives are unpacked for the drivers next to the server.
	Archives []Archive
	// Installation is recorded as the owner of the server.
	Installation string
	// Epoch is the number of the server among the gateway's servers; see Runtime.Stop.
	Epoch int64
	// Confirm is called when everything is ready, immediately before the server's program
	// runs; from then on Stop finds and removes the server. If it returns an error nothing
	// is started. May be nil.
	Confirm func(ctx context.Context) error `json:"-"`
}

// ServerID returns the id of the server; see gateway.ServerID.
func (l *Launch) ServerID() string { return gateway.ServerID(l.GatewayID, l.Number) }

// RunsLocally reports whether drivers and executors run next to the Livy server.
func (l *Launch) RunsLocally() bool {
	return l.Master == "" || l.Master == "local" || strings.HasPrefix(l.Master, "local[")
}

// OnKubernetes reports whether drivers start executors as pods.
func (l *Launch) OnKubernetes() bool { return strings.HasPrefix(l.Master, "k8s://") }

// Confirmed calls Confirm, if set.
func (l *Launch) Confirmed(ctx context.Context) error {
	if l.Confirm == nil {
		return nil
	}
	return l.Confirm(ctx)
}

// Instance is a Livy server that a runtime started (or, for static, connected to).
type Instance struct {
	GatewayID string
	Number    int // of the Launch, at least 1
	// ID is unique for each start: a container id, or pid and start time. Livy's own ids
	// begin at 0 again when it changes.
	ID string
	// Address is host:port as reached by the gateway, or the URL of a livy.Server.
	Address string
	Started time.Time
	// Running is false for a server that has exited but has not been removed.
	Running bool
	// Exit describes how it ended, e.g. "exit code 137 (out of memory)"; empty while running.
	Exit string
	// Waits describes what a running server waits for before its program can begin, such as a node;
	// empty if it waits for nothing.
	Waits string
	// Installation and Epoch are those of the Launch; empty and 0 if unknown.
	Installation string
	Epoch        int64
}

// ServerID returns the id of the server; see gateway.ServerID.
func (i *Instance) ServerID() string { return gateway.ServerID(i.GatewayID, i.Number) }

// AnyEpoch makes Stop stop a server of any epoch.
const AnyEpoch int64 = math.MaxInt64

// Runtime starts and stops Livy servers. A server is named by its gateway.ServerID: servers of
// one gateway that run side by side have nothing in common, while their epochs are numbers of
// one series. Implementations are safe for concurrent use; calls for one gateway are made one
// at a time.
type Runtime interface {
	// Name is "docker", "kubernetes", "process" or "static".
	Name() string
	// Start starts a server and returns as soon as its address is known; it does not wait
	// until Livy answers. On an error it cleans up. It stops a server of an earlier epoch
	// first; a running server of the same or a later epoch is an error of KindConflict.
	Start(ctx context.Context, l Launch) (Instance, error)
	// Stop stops a server (gracefully, then by force) and removes what was
	// started, if it has the epoch upTo or an earlier one: a late call cannot stop the
	// successor of the server that it was meant for. It is not an error if there is none.
	// Logs of the last run stay readable.
	Stop(ctx context.Context, serverID string, upTo int64) error
	// Find returns a server's instance, including one started by an earlier process; ok
	// is false if there is none.
	Find(ctx context.Context, serverID string) (inst Instance, ok bool, err error)
	// List returns all instances that the runtime manages, for finding orphans. With an error
	// it returns those that could be read.
	List(ctx context.Context) ([]Instance, error)
	// Logs returns the last lines of the server's output.
	Logs(ctx context.Context, serverID string, lines int) ([]string, error)
	// Close releases clients and files; it does not stop servers.
	Close() error
}

// Adopter is a Runtime whose Find cannot recognize a server after a restart of the gateway
// process. Adopt gives it the recorded instance.
type Adopter interface {
	Adopt(serverID, instanceID string)
}

// External is a Runtime whose servers are started and stopped by somebody else. They are
// kept as they are when they do not answer: starting them again would only lose sight of
// their sessions.
type External interface {
	// Address returns the address of the server with a number that an engine names; see
	// livy.Server.
	Address(engine gateway.Engine, number int) (string, error)
}

// Mounter is a Runtime whose servers have file systems of their own: they see only the directories
// of the Launch that they were started with.
type Mounter interface {
	MountsDirectories()
}

// Pinger is a Runtime that depends on a service such as a Docker engine.
type Pinger interface {
	// Ping returns nil if the service answers.
	Ping(ctx context.Context) error
}

// Locator is a Runtime whose servers can be reached and stopped from one location only: one
// machine, or wherever one Docker engine is reachable.
type Locator interface {
	// Location names that location. It fails with KindUnavailable while it is unknown.
	Location(ctx context.Context) (string, error)
}

// PodHoster is a Runtime whose servers are pods of a Kubernetes cluster.
type PodHoster interface {
	// Access returns how the cluster is reached.
	Access() kubeapi.Access
	// Pod returns the namespace and the name of a server's pod, whether it exists or not.
	Pod(serverID string) (namespace, name string, err error)
}

// Forgetter is a Runtime that keeps the last log after Stop and can remove it when the
// gateway is deleted.
type Forgetter interface {
	Forget(ctx context.Context, serverID string) error
}

// Examiner is a Runtime that can check whether everything needed to run the engines of a
// catalog is available, and how to fix it.
type Examiner interface {
	Examine(ctx context.Context, c *gateway.Catalog) []doctor.Result
}
