package resolved

import (
	"cmp"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// Facts are what a policy goes by besides settings.
type Facts struct {
	// ID is the gateway's, CreatedBy who created it.
	ID, CreatedBy string
	// LivyVersion is what the Livy server that runs says; empty if none does.
	LivyVersion string
	// FusionOff reports that the acceleration was found not to work where the server runs.
	FusionOff bool
	// NoEventLogs reports that the server that runs was started without the directory
	// for the history server: jobs that wrote there would not start.
	NoEventLogs bool
}

// Policy makes the policy, with identity and queue in place of the gateway's where
// they are not empty.
func (r *Gateway) Policy(f Facts, identity, queue string) (*policies.Policy, error) {
	for _, lost := range r.Missing {
		// Without these jobs would run as nobody meant them to. A server that runs
		// needs its engine and network no more.
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
		HiveSessions:   r.LivyConf("livy.repl.enable-hive-context") == "true",
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
	// What Livy itself is told decides.
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

// identity is the user that jobs run as: with impersonation and no other word on it,
// the gateway's creator.
func (r *Gateway) identity(createdBy string) string {
	if r.Spec.Identity != "" || !r.Impersonates() {
		return r.Spec.Identity
	}
	if upstream.Lookup(r.conf.Spark, "spark.livy.proxyUser") != "" || gateway.ValidateIdentity("createdBy", createdBy) != nil {
		return ""
	}
	return createdBy
}

// Impersonates reports whether jobs run as other users than the Livy server.
func (r *Gateway) Impersonates() bool { return r.LivyConf("livy.impersonation.enabled") == "true" }

// Check reports the first mistake in the settings, with its field, or file and line.
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
		return gateway.Invalid("autoStop.enabled", "true", "needs to see Livy's sessions: "+why)
	}
	if !f.FusionOff {
		if err := r.checkOffHeap(); err != nil {
			return err
		}
	}
	return r.checkServer()
}

// checkServer reports what keeps a Livy server from being started.
func (r *Gateway) checkServer() error {
	if len(r.Missing) > 0 {
		return r.Missing[0]
	}
	if r.serverErr != nil {
		return r.serverErr
	}
	if r.Cluster.Name != "" {
		return r.conf.CheckMaster()
	}
	return nil
}
