package gateway

import "slices"

// Catalog is what the operator offers to gateways. It comes from the configuration of
// Caddy, of which it is a part, and not from Redis. The API shows it with the same
// names of fields.
type Catalog struct {
	// The engines that gateways may use; the first one is the default. At least
	// one is required.
	Engines []Engine `json:"engines,omitempty"`

	// The numbers of cores that gateways may have, smallest first. Default: 1, 2, 4.
	CPUs []int `json:"cpus,omitempty"`

	// The sizes of memory that gateways may have, smallest first. Default: `4Gi`,
	// `8Gi`, `16Gi`.
	Memories []string `json:"memories,omitempty"`

	// The queues that gateways may name. Default: any.
	Queues []string `json:"queues,omitempty"`

	// The clusters that gateways may run their jobs on.
	Clusters []Cluster `json:"clusters,omitempty"`

	// The runtime environments that gateways may give their jobs.
	Environments []Environment `json:"environments,omitempty"`

	// The networks that Livy servers may join.
	Networks []Network `json:"networks,omitempty"`

	// The file directories that jobs may find mounted.
	Directories []Directory `json:"directories,omitempty"`

	// The acceleration profiles that gateways may use.
	Fusion []Fusion `json:"fusion,omitempty"`
}

// Engine is a Livy and a Spark that run together.
type Engine struct {
	// The name by which gateways refer to the engine, e.g. `spark-3.5`.
	Name string `json:"name"`
	// The version of Livy. A server that answers with another one is not taken.
	// Default: `0.8.0`, and a server of any version is taken unless the gateway says
	// which it must be.
	Livy string `json:"livy,omitempty"`
	// The version of Spark, e.g. `3.5.8`.
	Spark string `json:"spark,omitempty"`
	// The version of Scala, e.g. `2.12`.
	Scala string `json:"scala,omitempty"`
	// The version of Java, e.g. `17`.
	Java string `json:"java,omitempty"`
	// The container image (runtime docker).
	Image string `json:"image,omitempty"`
	// Where Livy is unpacked (runtime process).
	LivyHome string `json:"livyHome,omitempty"`
	// Where Spark is unpacked (runtime process).
	SparkHome string `json:"sparkHome,omitempty"`
	// Where Java is (runtime process). Default: the `java` in PATH.
	JavaHome string `json:"javaHome,omitempty"`
	// The Python interpreter for PySpark (runtime process). Default: `python3`.
	Python string `json:"python,omitempty"`
	// The URL of an existing Livy server (runtime static), e.g.
	// `http://127.0.0.1:8998`.
	URL string `json:"url,omitempty"`
	// Where the Spark jobs of gateways without a cluster run: Livy's
	// `livy.spark.master`. Default: local, with as many threads as the gateway has
	// cores.
	Master string `json:"master,omitempty"`
}

// LivyVersion is the version of Livy that the engine has.
func (e Engine) LivyVersion() string {
	if e.Livy == "" {
		return DefaultLivy
	}
	return e.Livy
}

// Cluster is a place where jobs run.
type Cluster struct {
	// The name by which gateways refer to it.
	Name string `json:"name"`
	// Livy's `livy.spark.master`: `spark://HOST:PORT`, `yarn`, `k8s://URL` or
	// `local[N]`.
	Master string `json:"master"`
	// Livy's `livy.spark.deploy-mode`: `client` or `cluster`. Default: Livy's own.
	DeployMode string `json:"deployMode,omitempty"`
	// A directory of this machine with the cluster's client configuration, e.g.
	// `core-site.xml` and `yarn-site.xml`. Its files are given to Livy servers and jobs
	// as HADOOP_CONF_DIR.
	ConfDir string `json:"confDir,omitempty"`
}

// Environment is a bundle that jobs find without asking for it. Names of files
// without a scheme are looked for in Dir.
type Environment struct {
	// The name by which gateways refer to it.
	Name string `json:"name"`
	// A directory of this machine with the files that are named without a scheme below.
	// Containers find it at the same path, read-only.
	Dir string `json:"dir,omitempty"`
	// Python files and packages.
	PyFiles []string `json:"pyFiles,omitempty"`
	// Jars.
	Jars []string `json:"jars,omitempty"`
	// Files that jobs find in their working directory.
	Files []string `json:"files,omitempty"`
	// Archives that jobs find unpacked, e.g. `venv.tar.gz#venv`.
	Archives []string `json:"archives,omitempty"`
	// Spark configuration that clients cannot change.
	Conf map[string]string `json:"conf,omitempty"`
	// Environment variables of drivers and executors.
	Env map[string]string `json:"env,omitempty"`
}

// Network is a network that Livy servers can join.
type Network struct {
	// The name by which gateways refer to it.
	Name string `json:"name"`
	// The network's name on the Docker engine (runtime docker).
	DockerNetwork string `json:"dockerNetwork,omitempty"`
	// The private cloud that the network leads to.
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
	// The name by which gateways refer to it.
	Name string `json:"name"`
	// `local` (a directory of the machine), `oss` (an object store that is mounted
	// on the machine with FUSE), `nas` (an NFS export) or `cpfs` (a parallel file
	// system, spoken to with NFS).
	Type string `json:"type"`
	// A directory of the machine (`local`, `oss`) or `HOST:/EXPORT` (`nas`, `cpfs`).
	Source string `json:"source"`
	// Where jobs find it.
	Path string `json:"path"`
	// The private cloud of the mount target (`nas`, `cpfs`).
	VPC string `json:"vpc,omitempty"`
	// NFS mount options (`nas`, `cpfs`). Default: `nfsvers=4,soft,timeo=600,retrans=2`.
	Options string `json:"options,omitempty"`
	// Keeps jobs from writing. Default: false.
	ReadOnly bool `json:"readOnly,omitempty"`
}

// Fusion is an acceleration profile: jars and settings of a native SQL engine.
type Fusion struct {
	// The name by which gateways refer to it. `comet` with nothing else is the
	// profile of Apache DataFusion Comet, whose jar the engine image holds.
	Name string `json:"name"`
	// Jars that every job gets.
	Jars []string `json:"jars,omitempty"`
	// Spark configuration that every job gets.
	Conf map[string]string `json:"conf,omitempty"`
	// What the CPU must be able to do, as /proc/cpuinfo writes it, e.g. `avx2`.
	CPUFlags []string `json:"cpuFlags,omitempty"`
	// The series of Spark that the profile is for, e.g. `3.5`. Default: any.
	Spark []string `json:"spark,omitempty"`
}

// WithProfiles is the catalog with what is known of the acceleration profiles that are
// named in it and not described.
func (c Catalog) WithProfiles() Catalog {
	c.Fusion = slices.Clone(c.Fusion)
	for i, f := range c.Fusion {
		if comet := Comet(); f.Name == comet.Name && len(f.Jars) == 0 && len(f.Conf) == 0 {
			c.Fusion[i] = comet
		}
	}
	return c
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
