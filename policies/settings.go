// Package policies applies the operator's policy to the requests that clients send to Livy. It
// consists of pure functions: from a request body and a compiled policy they make the body to send
// and a report of what was ignored, forced, lowered or refused, and by which rule.
//
// Many settings have several names: the field numExecutors is also spark.executor.instances. A
// family holds all names of one setting, so that a rule on one of them applies to all.
package policies

import "github.com/livygateway/livygateway/internal/gateway"

// Settings are the settings of a gateway's policy. The zero value is a policy with only the
// built-in guards.
type Settings struct {
	// LivyVersion is the version of the Livy server. It determines which fields a create
	// request may have. Default "0.8.0".
	LivyVersion string
	// Master is livy.spark.master. It determines where environment variables, archives and
	// the queue are set. Default "local[*]".
	Master string
	// DeployMode is livy.spark.deploy-mode. Empty: client, but cluster for batches on Kubernetes.
	DeployMode string
	// ServerMemory is the memory, in bytes, that the Livy server and the drivers beside it
	// share. 0: drivers run elsewhere, or it is not bounded.
	ServerMemory int64
	// HiveSessions is livy.repl.enable-hive-context.
	HiveSessions bool
	// SparkDefaults are the settings of spark-defaults.conf: what holds when neither
	// client nor gateway says otherwise. Caps and the record need to know them.
	SparkDefaults map[string]string
	// Blacklist is spark-blacklist.conf, parsed by ParseBlacklist: keys whose client values
	// are ignored.
	Blacklist []Denied

	// Queue is the queue of every job. Empty: the client's choice.
	Queue string
	// QueueKeys are the Spark keys for the queue besides Livy's own field. Default:
	// spark.kubernetes.namespace on Kubernetes, none elsewhere (spark.yarn.queue belongs to
	// the field).
	QueueKeys []string
	// Identity is the user that jobs run as (Livy's proxyUser). Empty: Livy's own
	// user, or spark.livy.proxyUser of spark-defaults.conf.
	Identity string

	// Cluster is the cluster that jobs run on; may be nil.
	Cluster *Cluster
	// Environment is the runtime environment that every job gets; may be nil.
	Environment *Environment
	// Fusion is the accelerator that every job gets; may be nil.
	Fusion *Fusion
	// Mounts describes the file directories that are mounted for jobs; may be nil.
	Mounts *Mounts
	// Warehouse is where the jobs' tables are kept; nil if they end with the job.
	Warehouse *Warehouse
	// EventLogs is the URI of the directory that every job writes its event logs to, for a
	// history server. Empty: as set by client and defaults.
	EventLogs string
	// Labels identify jobs of this gateway: name to value. They become
	// spark.livygateway.NAME, tags on YARN and labels on Kubernetes.
	Labels map[string]string

	// Guards are the operator's settings for all gateways.
	Guards
	// Grants allow clients what a strict policy or the guard on environment variables would
	// not, in addition to those of the Guards.
	Grants []Grant
	// Rules are maximums, allowed values and required keys.
	Rules []Rule

	// DisabledRoutes are names of livy.Routes that this gateway does not serve; a trailing *
	// matches all names with that prefix, e.g. "session.job.*".
	DisabledRoutes []string
}

// Guards are the operator's settings for the policies of all gateways. The zero value is only the
// built-in guards.
type Guards struct {
	// Directories of the Livy servers' file systems that clients may name in
	// `file:` URIs. Default: none.
	LocalDirs []string `json:"local_dirs,omitempty"`

	// The largest body of a create request or of added URIs, in bytes once decoded.
	// Default: 1 MiB.
	MaxBody int64 `json:"max_body,omitempty"`

	// The largest statement, completion or job, in bytes. Default: 4 MiB.
	MaxCode int64 `json:"max_code,omitempty"`

	// The largest file that can be uploaded into a session, in bytes. Default:
	// 100 MiB, which is Livy's own limit too.
	MaxUpload int64 `json:"max_upload,omitempty"`

	// The schemes that URIs of jobs may have besides `file` and `local`. Default: those of
	// the usual file systems and object stores, without web servers under a strict policy;
	// see docs/policies.md.
	Schemes []string `json:"schemes,omitempty"`

	// What clients may set on gateways that have no policy setting of their own: `open` lets
	// them set whatever no guard, blacklist or rule forbids; `strict` lets them set only
	// listed settings, main classes and URI schemes, and what rules or the two options below
	// allow. Strict is recommended if gateways force an identity or a queue. See
	// docs/policies.md. Default: `open`.
	Mode string `json:"policy,omitempty"`

	// Settings that clients of all gateways may set even under a strict policy, or even
	// though they are environment variables of Spark, Hadoop or Java, such as
	// `spark.executorEnv.JAVA_HOME`. A trailing `*` matches all keys with that prefix.
	AllowConf []string `json:"allow_conf,omitempty"`

	// Main classes of batches that a strict policy allows. A trailing `*` matches all
	// classes with that prefix, e.g. `com.example.*`.
	AllowClasses []string `json:"allow_classes,omitempty"`

	// Keys beginning with `livy.` that clients may set, e.g. `livy.rsc.retained-statements`.
	// All others are dropped.
	LivyKeys []string `json:"livy_keys,omitempty"`

	// Lets clients choose the user that jobs run as, on gateways without an identity. Livy
	// accepts any name, so this is only for installations in which every token may act as
	// any user. Default: false.
	ClientIdentity bool `json:"client_identity,omitempty"`

	// Lets clients set class path and library path entries outside LocalDirs, in `conf` and
	// in Java options, and load agents from there. Code on a job's class path runs with the
	// job's rights anyway: the restriction limits paths to reviewed ones, and is not a
	// security boundary against code. Default: false.
	CustomClasspath bool `json:"custom_classpath,omitempty"`
}

// File is the text of a configuration file and the name it has in messages.
type File struct {
	Name string
	Text string
}

// Environment is a runtime environment. Its files are URIs. Its lists come before the client's
// own; its conf and variables override the client's. Drivers next to the Livy server (client mode)
// inherit the server's variables, so it must be started with those of the environment.
type Environment = gateway.Environment

// Cluster is a cluster as far as policies are concerned.
type Cluster struct {
	Name string
	// Conf are the operator's settings for every job on it.
	Conf map[string]string
}

// Fusion is an acceleration profile, e.g. that of DataFusion Comet.
type Fusion = gateway.Fusion

// Mounts describes the file directories of a gateway, as far as policies are concerned: mounting
// them costs driver resources.
type Mounts struct {
	// Directories are their names.
	Directories []string
	// Executors is true if they are mounted into executors as well.
	Executors bool
}

// Action is the action on a request that breaks a rule.
type Action string

// The two actions. The default is Refuse.
const (
	Lower  Action = "lower"  // set the largest or first allowed value
	Refuse Action = "refuse" // answer 400 with the reason
)

// Rule restricts one setting, under whichever name a client sets it.
type Rule struct {
	// Key is a Spark key ("spark.executor.memory") or a field of Livy's request
	// ("executorMemory", "kind", "ttl"); the rule applies to all its names.
	Key string
	// Max is the largest value: a size, a number or a duration, depending on the key.
	Max string
	// Allowed are the allowed values; a trailing * matches all values with that prefix.
	Allowed []string
	// Required refuses requests that do not set the key.
	Required bool
	// Action on a value above Max or not Allowed. Default Refuse.
	Action Action
	// Source is where the rule was defined, for the report, e.g. "Caddyfile:42".
	Source string
}
