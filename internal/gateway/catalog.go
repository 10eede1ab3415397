package gateway

import (
	"errors"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/livy"
)

// Catalog is what the operator offers to gateways. It is part of the configuration of Caddy
// and is not stored in Redis. The API shows it with the same field names.
type Catalog struct {
	// The engines that gateways may use; the first one is the default. At least one is
	// required.
	Engines []Engine `json:"engines,omitempty"`

	// The numbers of cores that gateways may use, smallest first. Default: 1, 2, 4.
	CPUs []int `json:"cpus,omitempty"`

	// The memory sizes that gateways may use, smallest first. Default: `4Gi`, `8Gi`,
	// `16Gi`.
	Memories []string `json:"memories,omitempty"`

	// The queues that gateways may use. Default: any.
	Queues []string `json:"queues,omitempty"`

	// The clusters that gateways may run their jobs on.
	Clusters []Cluster `json:"clusters,omitempty"`

	// The runtime environments that gateways may give their jobs.
	Environments []Environment `json:"environments,omitempty"`

	// The networks that Livy servers may join.
	Networks []Network `json:"networks,omitempty"`

	// The file directories that can be mounted for jobs.
	Directories []Directory `json:"directories,omitempty"`

	// The acceleration profiles that gateways may use.
	Fusion []Fusion `json:"fusion,omitempty"`
}

// Engine is a Livy version together with a Spark version.
type Engine struct {
	// The name by which gateways refer to the engine, e.g. `spark-3.5`.
	Name string `json:"name"`
	// The version of Livy. A server that reports another version is rejected. Default:
	// `0.8.0`, and a server of any version is accepted unless the gateway requires one.
	Livy string `json:"livy,omitempty"`
	// The version of Spark, e.g. `3.5.8`.
	Spark string `json:"spark,omitempty"`
	// The version of Scala, e.g. `2.12`.
	Scala string `json:"scala,omitempty"`
	// The version of Java, e.g. `17`.
	Java string `json:"java,omitempty"`
	// The container image (runtime docker).
	Image string `json:"image,omitempty"`
	// The directory of Livy (runtime process).
	LivyHome string `json:"livyHome,omitempty"`
	// The directory of Spark (runtime process).
	SparkHome string `json:"sparkHome,omitempty"`
	// The directory of Java (runtime process). Default: the `java` in PATH.
	JavaHome string `json:"javaHome,omitempty"`
	// The Python interpreter for PySpark (runtime process). Default: `python3`.
	Python string `json:"python,omitempty"`
	// The URL of an existing Livy server (runtime static), e.g. `http://127.0.0.1:8998` or
	// `https://knox.example.com:8443/gateway/default/livy/v1`.
	URL string `json:"url,omitempty"`
	// The URLs of further Livy servers like it, for gateways with several servers.
	URLs []string `json:"urls,omitempty"`
	// Where the Spark jobs of gateways without a cluster run: Livy's
	// `livy.spark.master`. Default: local, with one thread for each core of the gateway.
	Master string `json:"master,omitempty"`

	// Server is the Livy server at URL, with the gateway's login there. It is nil if the
	// configuration has none.
	Server *livy.Server `json:"-"`
}

// LivyServer returns the Livy server at the engine's URL. The error is of KindInvalid.
func (e Engine) LivyServer() (*livy.Server, error) {
	if e.Server != nil {
		return e.Server, nil
	}
	return e.NewLivyServer(livy.ServerOptions{})
}

// At returns the engine with the n-th of its URLs, counted from 1, as its URL. If there are not
// so many, it is the first.
func (e Engine) At(n int) Engine {
	if n > 1 && n-2 < len(e.URLs) {
		e.URL, e.Server = e.URLs[n-2], nil
	}
	return e
}

// NewLivyServer returns the Livy server at the engine's URL, with the other options given.
func (e Engine) NewLivyServer(o livy.ServerOptions) (*livy.Server, error) {
	o.URL = e.URL
	s, err := livy.NewServer(o)
	if bad, ok := errors.AsType[*livy.OptionError](err); ok {
		return nil, Invalid("engine "+e.Name+": "+bad.Option, bad.Value, bad.Rule)
	}
	return s, err
}

// LivyVersion returns the engine's version of Livy.
func (e Engine) LivyVersion() string {
	if e.Livy == "" {
		return DefaultLivy
	}
	return e.Livy
}

// Cluster is a cluster that jobs run on.
type Cluster struct {
	// The name by which gateways refer to it.
	Name string `json:"name"`
	// Livy's `livy.spark.master`: `spark://HOST:PORT`, `yarn`, `k8s://URL` or
	// `local[N]`.
	Master string `json:"master"`
	// Livy's `livy.spark.deploy-mode`: `client` or `cluster`. Default: Livy's own; on
	// Kubernetes, `client` for sessions and `cluster` for batches.
	DeployMode string `json:"deployMode,omitempty"`
	// A directory on this machine with the cluster's client configuration, e.g.
	// `core-site.xml` and `yarn-site.xml`. Its files are given to Livy servers and jobs
	// as HADOOP_CONF_DIR.
	ConfDir string `json:"confDir,omitempty"`
	// Spark configuration of every job on the cluster, which clients cannot override.
	Conf map[string]string `json:"conf,omitempty"`
	// The address at which the cluster's executors reach drivers of sessions beside a Livy
	// server that is not a pod of the cluster (`k8s://`). Default: the server's own.
	DriverHost string `json:"driverHost,omitempty"`
	// The kubeconfig file with which gateways look for the pods of jobs, and Spark starts
	// them (`k8s://`). Drivers beside Livy servers can read it. Default: the access of runtime
	// kubernetes, whose pods have a service account; for gateways of other runtimes, the
	// service account of their pod or KUBECONFIG, and nothing for Spark.
	Kubeconfig string `json:"kubeconfig,omitempty"`
}

// Kubernetes reports whether the cluster is one of Kubernetes.
func (c Cluster) Kubernetes() bool { return strings.HasPrefix(c.Master, "k8s://") }

// Environment is a bundle of files, settings and variables that every job gets. File names
// without a scheme are relative to Dir.
type Environment struct {
	// The name by which gateways refer to it.
	Name string `json:"name"`
	// A directory on this machine with the files that are named without a scheme below.
	// Containers have it at the same path, read-only.
	Dir string `json:"dir,omitempty"`
	// Python files and packages.
	PyFiles []string `json:"pyFiles,omitempty"`
	// Jars.
	Jars []string `json:"jars,omitempty"`
	// Files that are placed in the working directory of jobs.
	Files []string `json:"files,omitempty"`
	// Archives that are unpacked for jobs, e.g. `venv.tar.gz#venv`.
	Archives []string `json:"archives,omitempty"`
	// Spark configuration that clients cannot override.
	Conf map[string]string `json:"conf,omitempty"`
	// Environment variables of drivers and executors.
	Env map[string]string `json:"env,omitempty"`
}

// Network is a network that Livy servers can join.
type Network struct {
	// The name by which gateways refer to it.
	Name string `json:"name"`
	// The network's name in Docker (runtime docker).
	DockerNetwork string `json:"dockerNetwork,omitempty"`
	// The private cloud that the network connects to.
	VPC string `json:"vpc,omitempty"`
}

// Types of file directories.
const (
	DirectoryLocal = "local" // a directory on the machine
	DirectoryOSS   = "oss"   // an object store mounted on the machine with FUSE
	DirectoryNAS   = "nas"   // an NFS export
	DirectoryCPFS  = "cpfs"  // a parallel file system, accessed with NFS
)

var directoryTypes = []string{DirectoryLocal, DirectoryOSS, DirectoryNAS, DirectoryCPFS}

// Directory is a file directory that can be mounted for jobs.
type Directory struct {
	// The name by which gateways refer to it.
	Name string `json:"name"`
	// `local` (a directory on the machine), `oss` (an object store mounted on the machine
	// with FUSE), `nas` (an NFS export) or `cpfs` (a parallel file system, accessed with
	// NFS).
	Type string `json:"type"`
	// A directory on the machine (`local`, `oss`) or `HOST:/EXPORT` (`nas`, `cpfs`).
	Source string `json:"source"`
	// The path at which it is mounted for jobs.
	Path string `json:"path"`
	// The private cloud of the mount target (`nas`, `cpfs`).
	VPC string `json:"vpc,omitempty"`
	// NFS mount options (`nas`, `cpfs`). Default: `nfsvers=4,soft,timeo=600,retrans=2`.
	Options string `json:"options,omitempty"`
	// Makes the directory read-only for jobs. Default: false.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Keeps the tables of gateways that name the directory as their warehouse, each in a
	// directory of its own (`local` only). It cannot be mounted otherwise. Default: false.
	Warehouse bool `json:"warehouse,omitempty"`
}

// Fusion is an acceleration profile: jars and settings of a native SQL engine.
type Fusion struct {
	// The name by which gateways refer to it. `comet` without further settings is the
	// built-in profile of Apache DataFusion Comet, whose jar is in the engine image.
	Name string `json:"name"`
	// Jars that every job gets.
	Jars []string `json:"jars,omitempty"`
	// Spark configuration that every job gets.
	Conf map[string]string `json:"conf,omitempty"`
	// The CPU flags that it needs, as in /proc/cpuinfo, e.g. `avx2`.
	CPUFlags []string `json:"cpuFlags,omitempty"`
	// The Spark versions that the profile is for, e.g. `3.5`. Default: any.
	Spark []string `json:"spark,omitempty"`
}

// WithProfiles returns the catalog with the built-in acceleration profiles filled in, where
// only their name is given.
func (c Catalog) WithProfiles() Catalog {
	c.Fusion = slices.Clone(c.Fusion)
	for i, f := range c.Fusion {
		if comet := Comet(); f.Name == comet.Name && len(f.Jars) == 0 && len(f.Conf) == 0 {
			c.Fusion[i] = comet
		}
	}
	return c
}

// Comet returns the profile of Apache DataFusion Comet, whose jar is in the engine image of
// Spark 3.5.
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

// AllowedCPUs returns the numbers of cores that gateways may use.
func (c *Catalog) AllowedCPUs() []int {
	if len(c.CPUs) == 0 {
		return defaultCPUs
	}
	return c.CPUs
}

// AllowedMemories returns the memory sizes that gateways may use.
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
