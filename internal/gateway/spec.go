package gateway

import (
	"fmt"
	"strconv"
	"strings"
)

// Spec is everything that a person sets when creating a gateway. docs/gateways.md
// is made from the comments of its fields.
type Spec struct {
	// Name of the gateway: 1 to 63 lowercase letters, digits and hyphens,
	// beginning and ending with a letter or digit. Unique in its workspace.
	Name string `json:"name"`
	// CPU is how many cores the gateway's Livy server and its local drivers may
	// use: 1, 2 or 4, or what the operator allows. Default: the smallest.
	CPU int `json:"cpu"`
	// Memory is how much memory they may use: "4Gi", "8Gi" or "16Gi", or what the
	// operator allows. Default: the smallest.
	Memory string `json:"memory"`
	// Engine names an engine of the operator's catalog: a Livy version and a
	// Spark version that run together. Default: the catalog's first engine.
	Engine string `json:"engine"`
	// LivyVersion is the version that the Livy server must have, e.g. "0.8.0". It must
	// be the one of the engine; a server that turns out to be another one is not taken.
	// Default: the engine's. Where the catalog does not say that either, a server of any
	// version is taken, and "0.8.0" is shown.
	LivyVersion string `json:"livyVersion"`
	// Fusion names an acceleration profile of the catalog, e.g. "comet": jars and
	// settings that every job gets. Where the CPU of the machine that the engine runs
	// on lacks what the profile needs, jobs run without it and the gateway says so;
	// where a jar is missing the gateway does not start. Default: none.
	Fusion string `json:"fusion,omitempty"`
	// Isolated says whether a token sees, lists and deletes only the sessions and
	// batches that it created. That helps against mistakes and curiosity, not against
	// code: whoever runs some on the gateway can ask its Livy server itself, which has
	// no login. Default false: all of the gateway's.
	Isolated bool `json:"isolated,omitempty"`
	// Cluster names a cluster of the catalog: where jobs run, with which deploy
	// mode and which client configuration. Default: what the engine says, else in
	// the gateway's own container or process.
	Cluster string `json:"cluster,omitempty"`
	// Queue is forced into every job: spark.yarn.queue, on Kubernetes the
	// namespace. It must be one of the operator's queues, if there is such a list. Where
	// the cluster manager has no queues it has no effect, which the gateway says.
	// Default: none is forced.
	Queue string `json:"queue,omitempty"`
	// Identity is the user that jobs run as (Livy's proxyUser); whatever a
	// client asks for is overridden. It takes effect when livy.conf says
	// livy.impersonation.enabled = true. Default: then the gateway's creator, else
	// the Livy server's own user.
	Identity string `json:"identity,omitempty"`
	// Directories names file directories of the catalog that jobs find mounted.
	// Directories of type cpfs stand alone; nas and cpfs need a network of the
	// same VPC. Default: none.
	Directories []string `json:"directories,omitempty"`
	// MountToExecutor mounts the directories into executors too, not only into
	// drivers, on Kubernetes. Executors that run in the gateway's own container see
	// them anyway; on YARN and standalone Spark it has no effect, which the gateway
	// says: their machines have to mount the directories themselves. Default false.
	MountToExecutor bool `json:"mountToExecutor,omitempty"`
	// Network names a network connection of the catalog that the gateway's Livy
	// server joins. Default: the runtime's own network.
	Network string `json:"network,omitempty"`
	// Environment names a runtime environment of the catalog: Python files, jars,
	// files, archives such as a packed Python environment, settings and environment
	// variables that every job gets. Default: none.
	Environment string `json:"environment,omitempty"`
	// Public says whether the gateway also answers on public endpoints.
	// Default false: internal endpoints only.
	Public bool `json:"public,omitempty"`
	// AutoStop stops the gateway when nobody uses it.
	AutoStop AutoStop `json:"autoStop,omitzero"`
	// AutoStart starts the stopped gateway when somebody uses it.
	AutoStart AutoStart `json:"autoStart,omitzero"`
	// StatementAudit says what is written down of the statements that clients run in
	// sessions: "" nothing, "hash" who ran what (the code's SHA-256), when, for how
	// long and with which result, "code" the code too. Default: nothing.
	StatementAudit string `json:"statementAudit,omitempty"`
	// SparkDefaults is the text of spark-defaults.conf: defaults for Spark jobs
	// that a client may override unless they are blacklisted.
	SparkDefaults string `json:"sparkDefaults,omitempty"`
	// LivyConf is the text of livy.conf. Keys that the gateway must own, such as
	// livy.server.port, are refused by name.
	LivyConf string `json:"livyConf,omitempty"`
	// LivyClientConf is the text of livy-client.conf.
	LivyClientConf string `json:"livyClientConf,omitempty"`
	// SparkBlacklist is the text of spark-blacklist.conf: one Spark parameter a
	// line. A client's value for such a parameter is ignored, from the next request
	// on; Livy's own copy, behind the gateway, waits for the next start.
	SparkBlacklist string `json:"sparkBlacklist,omitempty"`
	// Policy is "strict" to let clients set only the settings, main classes and URI
	// schemes of a list (docs/policies.md) and what policy.rules allows, or "open" to
	// let them set whatever is not forbidden. Strict is recommended where an identity
	// or a queue is forced. Default: what the operator says, else open.
	Policy string `json:"policy,omitempty"`
	// PolicyRules is the text of policy.rules: caps, allowed values, required keys
	// and what a strict policy allows besides, one a line, e.g.
	// "max spark.executor.memory 8g lower" or "allow-conf spark.myteam.*".
	PolicyRules string `json:"policyRules,omitempty"`
	// DisabledRoutes are names of Livy's routes that this gateway does not
	// serve; a trailing * takes all that begin so, e.g. "session.job.*".
	DisabledRoutes []string `json:"disabledRoutes,omitempty"`
}

// AutoStop says when an idle gateway is stopped. A gateway is idle while no
// client asks anything of it, no batch runs, no session is busy or starting, and
// no session lives that Livy's own timeouts would end in time.
type AutoStop struct {
	// Enabled switches it on. Default false.
	Enabled bool `json:"enabled"`
	// Minutes without a break for which the gateway must have been idle: 1 to
	// 43200 (30 days). Default 45.
	Minutes int `json:"minutes,omitempty"`
}

// AutoStart says whether a request to a stopped gateway starts it.
type AutoStart struct {
	// Enabled switches it on. Default false.
	Enabled bool `json:"enabled"`
	// WaitSeconds is how long a request waits for the Livy server before it is
	// answered 503 with Retry-After: 0 to 600. Default 60.
	WaitSeconds *int `json:"waitSeconds,omitempty"`
}

// Bounds of automatic stop and start.
const (
	maxIdleMinutes = 30 * 24 * 60
	maxWaitSeconds = 600
)

// Wait is WaitSeconds with its default.
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
