package caddymodule

import "github.com/livygateway/livygateway/internal/gateway"

// Cluster is a place where jobs run.
type Cluster struct {
	// The name by which gateways refer to it.
	Name string `json:"name"`
	// Livy's `livy.spark.master`: `spark://HOST:PORT`, `yarn`, `k8s://URL` or
	// `local[N]`.
	Master string `json:"master"`
	// Livy's `livy.spark.deploy-mode`: `client` or `cluster`. Default: Livy's own.
	DeployMode string `json:"deploy_mode,omitempty"`
	// A directory with the cluster's client configuration, e.g. `yarn-site.xml`.
	// Its files are given to Livy servers and jobs as HADOOP_CONF_DIR.
	ConfDir string `json:"conf_dir,omitempty"`
}

// Environment is a bundle that jobs find without asking for it.
type Environment struct {
	// The name by which gateways refer to it.
	Name string `json:"name"`
	// A directory with the files that are named without a scheme below. Containers
	// find it at the same path, read-only.
	Dir string `json:"dir,omitempty"`
	// Python files and packages.
	PyFiles []string `json:"py_files,omitempty"`
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
	DockerNetwork string `json:"docker_network,omitempty"`
	// The private cloud that it leads to.
	VPC string `json:"vpc,omitempty"`
}

// Directory is a file directory that jobs can find mounted.
type Directory struct {
	// The name by which gateways refer to it.
	Name string `json:"name"`
	// `local` (a directory of the machine), `oss` (an object store that is mounted
	// on the machine with FUSE), `nas` (an NFS export) or `cpfs`.
	Type string `json:"type"`
	// A directory of the machine (`local`, `oss`) or `HOST:/EXPORT` (`nas`, `cpfs`).
	Source string `json:"source"`
	// Where jobs find it.
	Path string `json:"path"`
	// Where the mount target is (`nas`, `cpfs`).
	VPC string `json:"vpc,omitempty"`
	// NFS mount options (`nas`, `cpfs`). Default: `nfsvers=4,soft,timeo=600,retrans=2`.
	Options string `json:"options,omitempty"`
	// Keeps jobs from writing. Default: false.
	ReadOnly bool `json:"read_only,omitempty"`
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
	// What the CPU must be able to do, e.g. `avx2`.
	CPUFlags []string `json:"cpu_flags,omitempty"`
	// The series of Spark that it is for, e.g. `3.5`. Default: any.
	Spark []string `json:"spark,omitempty"`
}

// HistoryServer is a Spark history server: it shows the Spark UIs of what has finished.
type HistoryServer struct {
	// Where it is reached from here, e.g. `http://127.0.0.1:18080`.
	URL string `json:"url"`
	// The directory, as a path or URI, that every job is made to write its events
	// to and that the history server reads. Default: what the jobs' own settings say.
	EventLogs string `json:"event_logs,omitempty"`
}

// catalog is what the app offers to gateways.
func (a *App) catalog() gateway.Catalog {
	c := gateway.Catalog{CPUs: a.CPUs, Memories: a.Memories, Queues: a.Queues}
	for _, e := range a.Engines {
		c.Engines = append(c.Engines, gateway.Engine(*e))
	}
	for _, cl := range a.Clusters {
		c.Clusters = append(c.Clusters, gateway.Cluster(*cl))
	}
	for _, e := range a.Environments {
		c.Environments = append(c.Environments, gateway.Environment(*e))
	}
	for _, n := range a.Networks {
		c.Networks = append(c.Networks, gateway.Network(*n))
	}
	for _, d := range a.Directories {
		c.Directories = append(c.Directories, gateway.Directory(*d))
	}
	for _, f := range a.Fusion {
		profile := gateway.Fusion(*f)
		if comet := gateway.Comet(); f.Name == comet.Name && len(f.Jars) == 0 && len(f.Conf) == 0 {
			profile = comet
		}
		c.Fusion = append(c.Fusion, profile)
	}
	return c
}
