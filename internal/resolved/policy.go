package resolved

import (
	"cmp"
	"maps"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// Facts holds what a policy depends on besides settings.
type Facts struct {
	// ID is the gateway's id, CreatedBy the name of its creator.
	ID, CreatedBy string
	// LivyVersion is the version that the running Livy server reports; empty if none runs.
	LivyVersion string
	// FusionOff is true if the acceleration does not work where the server runs.
	FusionOff bool
	// NoEventLogs is true if the running server was started without the event log
	// directory: jobs that write there would not start.
	NoEventLogs bool
}

// Policy compiles the policy. A non-empty identity or queue replaces the gateway's.
func (r *Gateway) Policy(f Facts, identity, queue string) (*policies.Policy, error) {
	for _, lost := range r.Missing {
		// Without these, jobs would run with the wrong settings. A running server no longer
		// needs its engine and network entries.
		if lost.Field != "engine" && lost.Field != "network" {
			return nil, lost
		}
	}
	if r.policyErr != nil {
		return nil, r.policyErr
	}
	s := policies.Settings{
		Guards:         r.settings.Guards,
		LivyVersion:    cmp.Or(f.LivyVersion, r.Spec.LivyVersion),
		Master:         r.Master,
		DeployMode:     r.DeployMode,
		ServerMemory:   r.serverMemory(),
		HiveSessions:   r.Spec.Warehouse != "" || r.LivyConf(upstream.HiveKey) == "true",
		Warehouse:      r.warehouse(f.ID),
		Cluster:        r.clusterConf(),
		Environment:    r.Environment,
		SparkDefaults:  make(map[string]string, len(r.conf.Spark)),
		Blacklist:      r.blacklist,
		Rules:          r.rules,
		Grants:         r.grants,
		Queue:          cmp.Or(queue, r.Spec.Queue),
		Identity:       cmp.Or(identity, r.identity(f.CreatedBy)),
		DisabledRoutes: r.Spec.DisabledRoutes,
		Labels:         map[string]string{"gateway": f.ID},
	}
	s.Mode = cmp.Or(r.Spec.Policy, s.Mode)
	for _, e := range r.conf.Spark {
		s.SparkDefaults[e.Key] = e.Value
	}
	s.LocalDirs = r.localDirs()
	// Livy's own setting decides.
	if dirs := r.LivyConf(upstream.LocalDirsKey); dirs != "" {
		for dir := range strings.SplitSeq(dirs, ",") {
			s.LocalDirs = append(s.LocalDirs, strings.TrimSpace(dir))
		}
	}
	if len(r.Spec.Directories) > 0 {
		s.Mounts = &policies.Mounts{Directories: r.Spec.Directories, Executors: r.Spec.MountToExecutor}
	}
	if !f.FusionOff {
		s.Fusion = r.Fusion
	}
	if !f.NoEventLogs {
		s.EventLogs = r.settings.History.EventLogDir()
	}
	return policies.Compile(s)
}

// clusterConf returns the cluster's settings for jobs; nil if it has none.
func (r *Gateway) clusterConf() *policies.Cluster {
	conf := r.Cluster.Conf
	const image = "spark.kubernetes.container.image"
	if r.Kubernetes() && conf[image] == "" && r.Engine.Image != "" {
		conf = maps.Clone(conf)
		if conf == nil {
			conf = make(map[string]string)
		}
		conf[image] = r.Engine.Image
	}
	if len(conf) == 0 {
		return nil
	}
	return &policies.Cluster{Name: r.Cluster.Name, Conf: conf}
}

// serverMemory returns the memory that Livy and drivers share if the gateway starts the server
// and drivers run beside it, otherwise 0.
func (r *Gateway) serverMemory() int64 {
	if r.DeployMode == "cluster" || r.Engine.Image == "" && r.Engine.LivyHome == "" {
		return 0
	}
	return r.Memory
}

// DriverMemory returns the memory, in bytes, that Livy and the drivers beside it share, or 0 if it
// is not bounded.
func (r *Gateway) DriverMemory() int64 { return r.serverMemory() }

// identity returns the user that jobs run as. With impersonation it defaults to the
// gateway's creator.
func (r *Gateway) identity(createdBy string) string {
	if r.Spec.Identity != "" || !r.Impersonates() {
		return r.Spec.Identity
	}
	if upstream.Lookup(r.conf.Spark, "spark.livy.proxyUser") != "" ||
		gateway.ValidateIdentity("createdBy", createdBy) != nil {
		return ""
	}
	return createdBy
}

// Impersonates reports whether jobs run as other users than the Livy server.
func (r *Gateway) Impersonates() bool { return r.LivyConf("livy.impersonation.enabled") == "true" }

// Check returns the first error in the settings, with its field, or file and line.
func (r *Gateway) Check(f Facts) error {
	if err := r.Spec.Validate(&r.settings.Catalog); err != nil {
		return err
	}
	if _, err := r.Policy(f, "", ""); err != nil {
		return err
	}
	if r.serverErr != nil {
		return r.serverErr
	}
	if why := r.CannotSee(); r.Spec.AutoStop.Enabled && why != "" {
		return gateway.Invalid("autoStop.enabled", "true", "requires access to Livy's sessions: "+why)
	}
	if !f.FusionOff {
		if err := r.checkOffHeap(); err != nil {
			return err
		}
	}
	return r.checkServer()
}

// checkServer returns the first error that keeps a Livy server from being started.
func (r *Gateway) checkServer() error {
	if len(r.Missing) > 0 {
		return r.Missing[0]
	}
	if r.serverErr != nil {
		return r.serverErr
	}
	if r.Cluster.Name != "" {
		if err := r.conf.CheckMaster(); err != nil {
			return err
		}
	}
	return r.checkWarehouse()
}
