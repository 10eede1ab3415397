// Package policies turns what a client sends to Livy into what the gateway's
// operator allows it to mean. It is made of pure functions: a request body and
// a compiled policy go in, the body to send and a report of what was ignored,
// forced, lowered or refused (and by which rule) come out.
package policies

import "github.com/livygateway/livygateway/internal/gateway"

// Settings is everything that a gateway's policy consists of. The zero value is
// a policy with the built-in guards alone.
type Settings struct {
	// LivyVersion of the server behind the gateway; it decides which fields a
	// create request may have. Default "0.8.0".
	LivyVersion string
	// Master is livy.spark.master. It decides where environment variables,
	// archives and the queue have to be written. Default "local[*]".
	Master string
	// DeployMode is livy.spark.deploy-mode. Empty: Livy's own, client.
	DeployMode string
	// HiveSessions is livy.repl.enable-hive-context.
	HiveSessions bool
	// SparkDefaults are the settings of spark-defaults.conf: what holds when neither
	// client nor gateway says otherwise. Caps and the record need to know them.
	SparkDefaults map[string]string
	// Blacklist is spark-blacklist.conf, read by ParseBlacklist: keys whose client
	// values are ignored.
	Blacklist []Denied

	// Queue that every job goes to. Empty: what the client says.
	Queue string
	// QueueKeys are the Spark keys that hold the queue besides Livy's own field.
	// Default: spark.kubernetes.namespace on Kubernetes, none elsewhere
	// (spark.yarn.queue belongs to the field).
	QueueKeys []string
	// Identity is the user that jobs run as (Livy's proxyUser). Empty: Livy's own
	// user, or spark.livy.proxyUser of spark-defaults.conf.
	Identity string

	// Environment is the runtime environment that every job gets; may be nil.
	Environment *Environment
	// Fusion is the accelerator that every job gets; may be nil.
	Fusion *Fusion
	// Mounts says which file directories are mounted into jobs; may be nil.
	Mounts *Mounts
	// EventLogs is the URI of the directory that every job writes its events to,
	// for a history server. Empty: what client and defaults say.
	EventLogs string
	// Labels mark every job as this gateway's: name to value. They become
	// spark.livygateway.NAME, tags on YARN and labels on Kubernetes.
	Labels map[string]string

	// Guards are what the operator says for all gateways.
	Guards
	// Grants allow clients what a strict policy or the guard on environment
	// variables would not, besides those of the Guards.
	Grants []Grant
	// Rules are caps, allowed values and required keys.
	Rules []Rule

	// DisabledRoutes are names of livy.Routes that this gateway does not serve; a
	// trailing * takes all that begin so, e.g. "session.job.*".
	DisabledRoutes []string
}

// Guards are what an operator sets for the policies of all gateways. The zero value
// is the built-in guards alone.
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

	// The schemes that URIs of jobs may have besides `file` and `local`. Default:
	// those of the usual file systems and object stores, or under a strict policy
	// those of them that no web server answers; see docs/policies.md.
	Schemes []string `json:"schemes,omitempty"`

	// What clients may set on gateways that do not say so themselves: `open` lets them
	// set whatever no guard, blacklist or rule forbids; `strict` lets them set the
	// settings, main classes and URI schemes of a list and what rules or the two
	// options below allow, and nothing else. Strict is recommended where gateways force
	// an identity or a queue. See docs/policies.md. Default: `open`.
	Mode string `json:"policy,omitempty"`

	// Settings that clients of all gateways may set although a policy is strict, or
	// although they are environment variables of Spark, Hadoop or Java, such as
	// `spark.executorEnv.JAVA_HOME`. A trailing `*` takes all that begin so.
	AllowConf []string `json:"allow_conf,omitempty"`

	// Main classes of batches that a strict policy lets through. A trailing `*` takes
	// all that begin so, e.g. `com.example.*`.
	AllowClasses []string `json:"allow_classes,omitempty"`

	// Keys beginning with `livy.` that clients may set all the same, e.g.
	// `livy.rsc.retained-statements`. All others are dropped.
	LivyKeys []string `json:"livy_keys,omitempty"`

	// Lets clients choose the user that jobs run as, on gateways that have no
	// identity of their own. Livy believes whatever name it is given, so this is
	// for installations in which every token may be everybody. Default: false.
	ClientIdentity bool `json:"client_identity,omitempty"`

	// Lets clients name class path and library path entries outside LocalDirs, in
	// `conf` and in Java options, and load agents there. What stands on a job's class
	// path runs as the job anyway: this keeps paths to what is reviewed, and is no
	// boundary against code. Default: false.
	CustomClasspath bool `json:"custom_classpath,omitempty"`
}

// File is the text of a configuration file and the name it has in messages.
type File struct {
	Name string
	Text string
}

// Environment is a runtime environment: what jobs find without asking for it. Its
// files are URIs. Its lists come before the client's own; its conf and variables win
// over them. Drivers that run beside the Livy server (client mode) have the server's
// own variables: it must be started with those of the environment.
type Environment = gateway.Environment

// Fusion is an acceleration profile, e.g. that of DataFusion Comet.
type Fusion = gateway.Fusion

// Mounts is the file directories of a gateway, as far as policy is concerned:
// mounting them costs driver resources.
type Mounts struct {
	// Directories are their names.
	Directories []string
	// Executors says that they are mounted into executors as well.
	Executors bool
}

// Action says what becomes of a request that breaks a rule.
type Action string

// The two actions. The default is Refuse.
const (
	Lower  Action = "lower"  // set the largest or first allowed value
	Refuse Action = "refuse" // answer 400 with the reason
)

// Rule bounds one setting, in whatever spelling a client gives it.
type Rule struct {
	// Key is a Spark key ("spark.executor.memory") or a field of Livy's request
	// ("executorMemory", "kind", "ttl"); all spellings of it are covered.
	Key string
	// Max is the largest value: a size, a number or a duration, as fits the key.
	Max string
	// Allowed are the only values; a trailing * takes all that begin so.
	Allowed []string
	// Required refuses requests in which the client does not set the key.
	Required bool
	// Action on a value above Max or not Allowed. Default Refuse.
	Action Action
	// Source is where the rule was written, for the report, e.g. "Caddyfile:42".
	Source string
}
