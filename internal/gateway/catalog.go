package gateway

import "slices"

// Catalog is what the operator offers to gateways. It comes from the
// configuration, not from Redis.
type Catalog struct {
	Engines []Engine `json:"engines"`
	// CPUs and Memories are the sizes that gateways may have, smallest first.
	// Default: 1, 2, 4 and 4Gi, 8Gi, 16Gi.
	CPUs     []int    `json:"cpus,omitempty"`
	Memories []string `json:"memories,omitempty"`
	// Queues that gateways may name; empty means any.
	Queues       []string      `json:"queues,omitempty"`
	Clusters     []Cluster     `json:"clusters,omitempty"`
	Environments []Environment `json:"environments,omitempty"`
	Networks     []Network     `json:"networks,omitempty"`
	Directories  []Directory   `json:"directories,omitempty"`
	Fusion       []Fusion      `json:"fusion,omitempty"`
}

// Engine is a Livy and a Spark that run together.
type Engine struct {
	// Name by which gateways refer to the engine, e.g. "spark-3.5".
	Name string `json:"name"`
	// Livy is the version of Livy; default "0.8.0". A server that answers with
	// another one is not taken.
	Livy string `json:"livy,omitempty"`
	// Spark, Scala and Java are versions, for people; e.g. "3.5.8", "2.12", "17".
	Spark string `json:"spark,omitempty"`
	Scala string `json:"scala,omitempty"`
	Java  string `json:"java,omitempty"`
	// Image is the container image (runtime docker).
	Image string `json:"image,omitempty"`
	// LivyHome and SparkHome are the unpacked distributions (runtime process).
	LivyHome  string `json:"livyHome,omitempty"`
	SparkHome string `json:"sparkHome,omitempty"`
	// JavaHome is the Java to run them with (runtime process); default: java
	// from PATH.
	JavaHome string `json:"javaHome,omitempty"`
	// Python is the interpreter for PySpark (runtime process); default python3.
	Python string `json:"python,omitempty"`
	// URL is an existing Livy server (runtime static), e.g. "http://127.0.0.1:8998".
	URL string `json:"url,omitempty"`
	// Master is Livy's livy.spark.master for gateways that name no cluster;
	// default: local, with as many threads as the gateway has cores.
	Master string `json:"master,omitempty"`
}

// DefaultLivy is the version of Livy that engines have unless they say otherwise.
const DefaultLivy = "0.8.0"

// LivyVersion is the version of Livy that the engine has.
func (e Engine) LivyVersion() string {
	if e.Livy == "" {
		return DefaultLivy
	}
	return e.Livy
}

// Cluster is a place where jobs run.
type Cluster struct {
	Name string `json:"name"`
	// Master is Livy's livy.spark.master: spark://HOST:PORT, yarn, k8s://URL or
	// local[N].
	Master string `json:"master"`
	// DeployMode is livy.spark.deploy-mode, client or cluster; default: Livy's own.
	DeployMode string `json:"deployMode,omitempty"`
	// ConfDir is a directory of this machine with the cluster's client
	// configuration, e.g. core-site.xml and yarn-site.xml. Its files are given to
	// the Livy server and to jobs as HADOOP_CONF_DIR.
	ConfDir string `json:"confDir,omitempty"`
}

// Environment is a bundle that jobs find without asking for it. Names of files
// without a scheme are looked for in Dir.
type Environment struct {
	Name string `json:"name"`
	// Dir is a directory of this machine with the environment's files. In
	// containers it is mounted read-only at the same path.
	Dir      string   `json:"dir,omitempty"`
	PyFiles  []string `json:"pyFiles,omitempty"`
	Jars     []string `json:"jars,omitempty"`
	Files    []string `json:"files,omitempty"`
	Archives []string `json:"archives,omitempty"`
	// Conf is Spark configuration that clients cannot change.
	Conf map[string]string `json:"conf,omitempty"`
	// Env are environment variables of drivers and executors.
	Env map[string]string `json:"env,omitempty"`
}

// Network is a network that a gateway's Livy server can join.
type Network struct {
	Name string `json:"name"`
	// DockerNetwork is the network's name on the Docker engine.
	DockerNetwork string `json:"dockerNetwork,omitempty"`
	// VPC is the private cloud that the network leads to.
	VPC string `json:"vpc,omitempty"`
}

// Types of file directories.
const (
	DirectoryLocal = "local" // a directory of the machine
	DirectoryOSS   = "oss"   // an object store, mounted on the machine with FUSE
	DirectoryNAS   = "nas"   // an NFS export
	DirectoryCPFS  = "cpfs"  // a parallel file system, spoken to with NFS
)

var directoryTypes = []string{DirectoryLocal, DirectoryOSS, DirectoryNAS, DirectoryCPFS}

// Directory is a file directory that jobs can find mounted.
type Directory struct {
	Name string `json:"name"`
	// Type is local, oss, nas or cpfs.
	Type string `json:"type"`
	// Source is a directory of the machine (local, oss) or HOST:/EXPORT (nas, cpfs).
	Source string `json:"source"`
	// Path is where jobs find it.
	Path string `json:"path"`
	// VPC is where the mount target is (nas, cpfs).
	VPC string `json:"vpc,omitempty"`
	// Options are NFS mount options (nas, cpfs); default "nfsvers=4,soft,timeo=600,retrans=2".
	Options string `json:"options,omitempty"`
	// ReadOnly keeps jobs from writing.
	ReadOnly bool `json:"readOnly,omitempty"`
}

// Fusion is an acceleration profile: jars and settings of a native SQL engine.
type Fusion struct {
	Name string `json:"name"`
	// Jars are URIs that every job gets.
	Jars []string `json:"jars,omitempty"`
	// Conf is Spark configuration that every job gets.
	Conf map[string]string `json:"conf,omitempty"`
	// CPUFlags are what the machine's CPU must be able to do, as /proc/cpuinfo
	// writes it, e.g. "avx2".
	CPUFlags []string `json:"cpuFlags,omitempty"`
	// Spark are the series of Spark that the profile is for, e.g. "3.5". Default: any.
	Spark []string `json:"spark,omitempty"`
}

// Comet is the profile of Apache DataFusion Comet, whose jar the engine image of
// Spark 3.5 holds.
func Comet() Fusion {
	const jar = "/opt/fusion/comet.jar"
	return Fusion{
		Name: "comet", Jars: []string{"local:" + jar}, CPUFlags: []string{"avx2"}, Spark: []string{"3.5"},
		Conf: map[string]string{
			"spark.plugins":                    "org.apache.spark.CometPlugin",
			"spark.shuffle.manager":            "org.apache.spark.sql.comet.execution.shuffle.CometShuffleManager",
			"spark.driver.extraClassPath":      jar,
			"spark.executor.extraClassPath":    jar,
			"spark.memory.offHeap.enabled":     "true",
			"spark.memory.offHeap.size":        "1g",
			"spark.comet.enabled":              "true",
			"spark.comet.exec.enabled":         "true",
			"spark.comet.exec.shuffle.enabled": "true",
		},
	}
}

// Default sizes, those of the managed product.
var (
	defaultCPUs     = []int{1, 2, 4}
	defaultMemories = []string{"4Gi", "8Gi", "16Gi"}
)

// AllowedCPUs are the numbers of cores that gateways may have.
func (c *Catalog) AllowedCPUs() []int {
	if len(c.CPUs) == 0 {
		return defaultCPUs
	}
	return c.CPUs
}

// AllowedMemories are the sizes of memory that gateways may have.
func (c *Catalog) AllowedMemories() []string {
	if len(c.Memories) == 0 {
		return defaultMemories
	}
	return c.Memories
}

func (e Engine) name() string      { return e.Name }
func (c Cluster) name() string     { return c.Name }
func (e Environment) name() string { return e.Name }
func (n Network) name() string     { return n.Name }
func (d Directory) name() string   { return d.Name }
func (f Fusion) name() string      { return f.Name }

type named interface{ name() string }

func find[T named](list []T, name string) (T, bool) {
	i := slices.IndexFunc(list, func(v T) bool { return v.name() == name })
	if i < 0 || name == "" {
		var none T
		return none, false
	}
	return list[i], true
}

func names[T named](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.name()
	}
	return out
}

// Engine looks an engine up by its name.
func (c *Catalog) Engine(name string) (Engine, bool) { return find(c.Engines, name) }

// Cluster looks a cluster up by its name.
func (c *Catalog) Cluster(name string) (Cluster, bool) { return find(c.Clusters, name) }

// Environment looks an environment up by its name.
func (c *Catalog) Environment(name string) (Environment, bool) { return find(c.Environments, name) }

// Network looks a network up by its name.
func (c *Catalog) Network(name string) (Network, bool) { return find(c.Networks, name) }

// Directory looks a file directory up by its name.
func (c *Catalog) Directory(name string) (Directory, bool) { return find(c.Directories, name) }

// FusionProfile looks an acceleration profile up by its name.
func (c *Catalog) FusionProfile(name string) (Fusion, bool) { return find(c.Fusion, name) }

// EngineNames lists the names in the catalog's order.
func (c *Catalog) EngineNames() []string { return names(c.Engines) }
