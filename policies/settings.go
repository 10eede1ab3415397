// Package policies turns what a client sends to Livy into what the gateway's
// operator allows it to mean. It is made of pure functions: a request body and
// a compiled policy go in, the body to send and a report of what was ignored,
// forced, lowered or refused (and by which rule) come out.
package policies

// Settings is everything that a gateway's policy consists of. The zero value is
// a policy with the built-in guards alone.
type Settings struct {
	// LivyVersion of the server behind the gateway; it decides which fields a
	// create request may have. Default "0.8.0".
	LivyVersion string
	// Master is livy.spark.master. It decides where environment variables,
	// archives and the queue have to be written. Default "local[*]".
	Master string
	// SparkDefaults is spark-defaults.conf: what holds when neither client nor
	// gateway says otherwise. Caps and the record need to know it.
	SparkDefaults File
	// Blacklist is spark-blacklist.conf: keys whose client values are ignored.
	Blacklist File

	// Queue that every job goes to. Empty: what the client says.
	Queue string
	// QueueKeys are the Spark keys that hold the queue besides Livy's own field.
	// Default: spark.kubernetes.namespace on Kubernetes, none elsewhere
	// (spark.yarn.queue belongs to the field).
	QueueKeys []string
	// Identity is the user that jobs run as (Livy's proxyUser). Empty: Livy's own
	// user, or spark.livy.proxyUser of spark-defaults.conf.
	Identity string
	// ClientIdentity lets clients choose the identity where Identity is empty.
	// Livy believes whatever name it is given, so this is off by default.
	ClientIdentity bool

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

	// Mode is ModeOpen (the default) or ModeStrict, under which clients may set only
	// what is on the list of StrictSettings, granted or ruled; whatever else they set
	// in conf is ignored, and other main classes and schemes are refused.
	Mode string
	// Grants allow clients what a strict policy or the guard on environment
	// variables would not.
	Grants []Grant
	// Rules are caps, allowed values and required keys.
	Rules []Rule

	// LocalDirs are the directories that file: and local: URIs may name files
	// in; usually those of livy.file.local-dir-whitelist. Default: none.
	LocalDirs []string
	// Schemes that URIs may have besides file and local. Default: DefaultSchemes, or
	// under a strict policy those of them that are file systems and object stores.
	Schemes []string
	// LivyKeys are keys beginning with "livy." that clients may set all the same,
	// e.g. "livy.rsc.retained-statements". Default: none.
	LivyKeys []string
	// CustomClasspath lets clients name class and library path entries outside
	// LocalDirs. Default false.
	CustomClasspath bool

	// DisabledRoutes are names of livy.Routes that this gateway does not serve; a
	// trailing * takes all that begin so, e.g. "session.job.*".
	DisabledRoutes []string

	// MaxBody bounds create requests and added URIs, in bytes once decoded.
	// Default 1 MiB.
	MaxBody int64
	// MaxCode bounds statements, completions and jobs. Default 4 MiB.
	MaxCode int64
	// MaxUpload bounds an uploaded file. Default 100 MiB, which is Livy's own.
	MaxUpload int64
}

// File is the text of a configuration file and the name it has in messages.
type File struct {
	Name string
	Text string
}

// Environment is a runtime environment: what jobs find without asking for it.
// Its lists come before the client's own; its conf and variables win over them.
type Environment struct {
	Name     string
	PyFiles  []string
	Jars     []string
	Files    []string
	Archives []string
	// Conf is Spark configuration.
	Conf map[string]string
	// DriverEnv and ExecutorEnv are environment variables. Drivers that run beside the
	// Livy server (client mode) have the server's own: it must be started with DriverEnv.
	DriverEnv   map[string]string
	ExecutorEnv map[string]string
}

// Fusion is an acceleration profile, e.g. that of DataFusion Comet.
type Fusion struct {
	Name string
	Conf map[string]string
	Jars []string
}

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
