package gateway

import (
	"fmt"
	"strconv"
	"strings"
)

// Spec holds the settings of a gateway. docs/gateways.md is generated from the comments of
// its fields.
type Spec struct {
	// Name is the name of the gateway: 1 to 63 lowercase letters, digits and hyphens,
	// beginning and ending with a letter or digit. It is unique in its workspace.
	Name string `json:"name"`
	// CPU is the number of cores that the gateway's Livy server and its local drivers may
	// use: 1, 2 or 4, or what the operator allows. Default: the smallest.
	CPU int `json:"cpu"`
	// Memory is the memory that they may use: "4Gi", "8Gi" or "16Gi", or what the operator
	// allows. Default: the smallest.
	Memory string `json:"memory"`
	// Servers is the number of Livy servers that share the gateway's sessions and batches: 1 to
	// 8. Each of them has the CPU and the memory above. If one fails, only its sessions and
	// batches end. A change takes effect at once: new servers start beside the others, and
	// surplus ones drain. Default: 1.
	Servers int `json:"servers,omitempty"`
	// Engine is the name of an engine in the operator's catalog: a Livy version together
	// with a Spark version. Default: the catalog's first engine.
	Engine string `json:"engine"`
	// LivyVersion is the version that the Livy server must have, e.g. "0.8.0". It must be
	// that of the engine; a server that reports another version is rejected. Default: the
	// engine's. If the catalog does not set it either, any version is accepted, and "0.8.0"
	// is shown.
	LivyVersion string `json:"livyVersion"`
	// Fusion is the name of an acceleration profile in the catalog, e.g. "comet": jars and
	// settings that every job gets. If the CPU of the engine's machine lacks a feature that
	// the profile needs, jobs run without it and the gateway shows a note. If a jar is
	// missing the gateway does not start. Default: none.
	Fusion string `json:"fusion,omitempty"`
	// Isolated limits each token to the sessions and batches that it created. That helps
	// against mistakes and curiosity, not against code: code that runs on the gateway can
	// access its Livy server directly, which has no login. Default: false.
	Isolated bool `json:"isolated,omitempty"`
	// Cluster is the name of a cluster in the catalog: where jobs run, with which deploy
	// mode and which client configuration. Default: the engine's master, otherwise in the
	// gateway's own container or process.
	Cluster string `json:"cluster,omitempty"`
	// Queue is forced into every job: spark.yarn.queue, or the namespace on Kubernetes. It
	// must be one of the operator's queues, if there is such a list. If the cluster manager
	// has no queues it has no effect, and the gateway shows a note. Default: none.
	Queue string `json:"queue,omitempty"`
	// Identity is the user that jobs run as (Livy's proxyUser), whatever a client requests.
	// It takes effect if livy.conf sets livy.impersonation.enabled = true. Default: the
	// gateway's creator if it does, otherwise the Livy server's own user.
	Identity string `json:"identity,omitempty"`
	// Directories lists file directories of the catalog to mount for jobs. Directories of
	// type cpfs cannot be combined with other types; nas and cpfs need a network of the same
	// VPC. Default: none.
	Directories []string `json:"directories,omitempty"`
	// MountToExecutor mounts the directories into executors too, not only into drivers, on
	// Kubernetes. Executors in the gateway's own container have them anyway. On YARN and
	// standalone Spark it has no effect, and the gateway shows a note: their machines have
	// to mount the directories themselves. Default: false.
	MountToExecutor bool `json:"mountToExecutor,omitempty"`
	// Warehouse is where tables are kept, so that later sessions and batches find them: the
	// name of a directory of the catalog with the option warehouse, or the metastore's
	// thrift://HOST:PORT. Sessions and batches then have Hive support. Without it, tables
	// end with the job (docs/warehouse.md). Default: none.
	Warehouse string `json:"warehouse,omitempty"`
	// Network is the name of a network in the catalog that the gateway's Livy server joins.
	// Default: the runtime's own network.
	Network string `json:"network,omitempty"`
	// Environment is the name of a runtime environment in the catalog: Python files, jars,
	// files, archives such as a packed Python environment, settings and environment
	// variables that every job gets. Default: none.
	Environment string `json:"environment,omitempty"`
	// Public makes the gateway available on public endpoints too. Default: false, internal
	// endpoints only.
	Public bool `json:"public,omitempty"`
	// AutoStop stops the gateway when it is idle.
	AutoStop AutoStop `json:"autoStop,omitzero"`
	// AutoStart starts the stopped gateway when a request arrives.
	AutoStart AutoStart `json:"autoStart,omitzero"`
	// Warm lists shapes of sessions to start ahead: kind, number and settings. A create that
	// asks for such a session gets one that is idle already (docs/warm.md). The kind "auto" stands
	// for the shapes that were created most often. Default: none.
	Warm []Warm `json:"warm,omitempty"`
	// StatementAudit selects what is recorded of the statements that clients run in
	// sessions: "" nothing; "hash" who ran what (the code's SHA-256), when, for how long
	// and with which result; "code" the code as well. Default: nothing.
	StatementAudit string `json:"statementAudit,omitempty"`
	// SparkDefaults is the text of spark-defaults.conf: defaults for Spark jobs, which
	// clients may override unless they are blacklisted.
	SparkDefaults string `json:"sparkDefaults,omitempty"`
	// LivyConf is the text of livy.conf. Keys that the gateway sets itself, such as
	// livy.server.port, are rejected.
	LivyConf string `json:"livyConf,omitempty"`
	// LivyClientConf is the text of livy-client.conf.
	LivyClientConf string `json:"livyClientConf,omitempty"`
	// SparkBlacklist is the text of spark-blacklist.conf: one Spark parameter per line. A
	// client's value for such a parameter is ignored, from the next request on; Livy's own
	// copy of the list changes at the next start.
	SparkBlacklist string `json:"sparkBlacklist,omitempty"`
	// Policy is "strict" to let clients set only listed settings, main classes and URI
	// schemes (docs/policies.md) and those that policy.rules allows, or "open" to let them
	// set whatever is not forbidden. Strict is recommended if an identity or a queue is
	// forced. Default: the operator's default, otherwise open.
	Policy string `json:"policy,omitempty"`
	// PolicyRules is the text of policy.rules: limits, allowed values, required keys and
	// additional settings that a strict policy allows, one per line, e.g.
	// "max spark.executor.memory 8g lower" or "allow-conf spark.myteam.*".
	PolicyRules string `json:"policyRules,omitempty"`
	// DisabledRoutes lists names of Livy routes that this gateway does not serve; a
	// trailing * matches all routes with that prefix, e.g. "session.job.*".
	DisabledRoutes []string `json:"disabledRoutes,omitempty"`
}

// AutoStop sets when an idle gateway is stopped. A gateway is idle while there are no client
// requests, no running batches, no busy or starting sessions, and no live sessions that
// Livy's own timeout would end.
type AutoStop struct {
	// Enabled switches it on. Default false.
	Enabled bool `json:"enabled"`
	// Minutes is how long the gateway must be idle before it is stopped: 1 to 43200 (30
	// days). Default 45.
	Minutes int `json:"minutes,omitempty"`
}

// AutoStart sets whether a request to a stopped gateway starts it.
type AutoStart struct {
	// Enabled switches it on. Default false.
	Enabled bool `json:"enabled"`
	// WaitSeconds is how long a request waits for the Livy server before it gets a 503
	// with Retry-After: 0 to 600. Default 60.
	WaitSeconds *int `json:"waitSeconds,omitempty"`
}

// Limits of AutoStop and AutoStart.
const (
	maxIdleMinutes = 30 * 24 * 60
	maxWaitSeconds = 600
)

// Wait returns WaitSeconds or its default.
func (a AutoStart) Wait() int {
	if a.WaitSeconds == nil {
		return DefaultWaitSeconds
	}
	return *a.WaitSeconds
}

// MemoryBytes returns Memory in bytes. The spec must be valid.
func (s *Spec) MemoryBytes() int64 {
	n, _ := parseGi(s.Memory)
	return n
}

// parseGi reads a size in GiB, e.g. "4Gi".
func parseGi(text string) (int64, error) {
	digits, ok := strings.CutSuffix(text, "Gi")
	n, err := strconv.ParseInt(digits, 10, 32)
	if !ok || err != nil || n < 1 || n > 1<<20 || digits[0] == '+' {
		return 0, fmt.Errorf("must be a whole number of GiB such as 4Gi")
	}
	return n << 30, nil
}
