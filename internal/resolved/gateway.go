// Package resolved resolves a gateway's settings: it fills in defaults, replaces names by
// catalog entries, parses configuration files and sizes. That is done once for each version
// of a gateway and of the configuration. Policies, the files and the launch of a Livy server,
// notes and restarts are derived from the result. It consists of pure functions.
package resolved

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// Gateway holds the resolved settings of a gateway. It is immutable and safe for concurrent
// use.
type Gateway struct {
	// Spec holds the settings with defaults filled in.
	Spec gateway.Spec
	// Defaults are the defaults that were filled in; nil if there are none.
	Defaults *gateway.Defaults
	// Promised is the version that the Livy server must have, as set by the gateway or by
	// its engine's catalog entry; empty if any version is accepted.
	Promised string
	// Memory is Spec.Memory in bytes.
	Memory int64

	// Engine, Cluster and Network are zero if none is named, or if it is in Missing.
	Engine  gateway.Engine
	Cluster gateway.Cluster
	Network gateway.Network
	// Environment is the gateway's environment with its files as URIs and the settings
	// that mount Directories on Kubernetes; nil if there is neither.
	Environment *gateway.Environment
	// Fusion is the acceleration profile; nil if none is named.
	Fusion      *gateway.Fusion
	Directories []gateway.Directory
	// Warehouse is the gateway's own directory for tables; zero if there is none or if it is
	// a metastore's URL.
	Warehouse gateway.Directory
	// Missing holds errors for names that are not in the catalog.
	Missing []*gateway.Error

	// Master and DeployMode determine where jobs run, as set by livy.conf, cluster or
	// engine. An empty DeployMode means Livy's default.
	Master, DeployMode string
	// Login is the gateway's own login for the Livy server, zero if there is none;
	// LoginNeeded reports whether the server requires logins.
	Login       Login
	LoginNeeded bool

	files
	// entries holds the named catalog entries that a Livy server is started with, by field
	// and name; nil for missing ones.
	entries      map[string]any
	fingerprints map[string]string
	settings     *Settings
}

// files holds the parsed texts of a Spec.
type files struct {
	conf      upstream.Conf
	blacklist []policies.Denied
	rules     []policies.Rule
	grants    []policies.Grant
	// serverErr is the first error in livy.conf and livy-client.conf, policyErr that in the
	// files that policies are made from.
	serverErr, policyErr error
	typos                func() []string
}

// New resolves settings. It does not fail: errors are kept and returned by the methods that
// need valid settings.
func New(s *Settings, spec gateway.Spec) *Gateway { return resolve(s, spec, nil) }

// With resolves other settings of the same gateway: r itself if they come to the same.
// still is the blacklist that the running Livy server has: it refuses every request with
// one of those keys until it is restarted, so that they are ignored too. It may be empty.
func (r *Gateway) With(spec gateway.Spec, still string) *Gateway {
	full := spec.WithDefaults(&r.settings.Catalog)
	if still == full.SparkBlacklist {
		still = ""
	}
	if still == "" && full.Equal(&r.Spec) {
		return r
	}
	other := resolve(r.settings, spec, r)
	other.denyStill(still)
	return other
}

// denyStill adds what a blacklist has more than the gateway's.
func (r *Gateway) denyStill(text string) {
	denied, err := policies.ParseBlacklist(policies.File{Name: "the running Livy server's " + upstream.SparkBlacklist, Text: text})
	if err != nil {
		return // a server was started with it, so that it can be read
	}
	r.blacklist = slices.Clone(r.blacklist)
	for _, d := range denied {
		known := slices.ContainsFunc(r.blacklist, func(k policies.Denied) bool { return k.Key == d.Key && k.Prefix == d.Prefix })
		required := slices.ContainsFunc(r.rules, func(rule policies.Rule) bool { return rule.Required && rule.Key == d.Key })
		if !known && !required {
			r.blacklist = append(r.blacklist, d)
		}
	}
}

// resolve reuses the parsed files of like, which may be nil.
func resolve(s *Settings, spec gateway.Spec, like *Gateway) *Gateway {
	r := &Gateway{Spec: spec.WithDefaults(&s.Catalog), settings: s, entries: make(map[string]any)}
	r.Defaults = spec.Lacks(&r.Spec)
	r.Memory = r.Spec.MemoryBytes()
	r.Missing = r.Spec.Missing(&s.Catalog)
	if like != nil && r.Spec.SameTexts(&like.Spec) {
		r.files = like.files
	} else {
		r.files = readFiles(&r.Spec)
	}
	r.lookUp()
	r.Promised = spec.LivyVersion
	if r.Promised == "" {
		r.Promised = r.Engine.Livy
	}
	r.locate()
	r.Environment = r.environment()
	r.Login, r.LoginNeeded = s.login(r.conf.Livy)
	r.fingerprints = marks(&r.Spec, r.entries)
	return r
}

// parseConf parses a file; tests count its calls.
var parseConf = upstream.ParseConf

// readFiles parses the texts of a spec.
func readFiles(s *gateway.Spec) (f files) {
	server := func(name, text string) []upstream.Entry {
		entries, err := parseConf(name, text)
		if err != nil && f.serverErr == nil {
			f.serverErr = err
		}
		return entries
	}
	policy := func(err error) {
		if err != nil && f.policyErr == nil {
			f.policyErr = err
		}
	}
	var err error
	f.rules, f.grants, err = policies.ParseRules(policies.File{Name: "policy.rules", Text: s.PolicyRules})
	policy(err)
	f.conf.Spark, err = parseConf(upstream.SparkDefaults, s.SparkDefaults)
	policy(err)
	policy(upstream.CheckSize(upstream.SparkBlacklist, s.SparkBlacklist))
	f.blacklist, err = policies.ParseBlacklist(policies.File{
		Name: upstream.SparkBlacklist,
		Text: s.SparkBlacklist,
	})
	policy(err)
	for _, d := range f.blacklist {
		key := d.Key
		if d.Prefix {
			key += "*"
		}
		f.conf.Blacklist = append(f.conf.Blacklist, upstream.Entry{Key: key})
	}
	f.conf.Livy = server(upstream.LivyConf, s.LivyConf)
	f.conf.LivyClient = server(upstream.LivyClientConf, s.LivyClientConf)
	f.typos = sync.OnceValue(f.findTypos)
	return f
}

// lookUp finds the catalog entries that the settings name.
func (r *Gateway) lookUp() {
	c := &r.settings.Catalog
	note := func(field, name string, entry any, ok bool) bool {
		if ok {
			r.entries[field+" "+name] = entry
		} else if name != "" {
			r.entries[field+" "+name] = nil
		}
		return ok
	}
	var ok bool
	r.Engine, ok = c.Engine(r.Spec.Engine)
	note("engine", r.Spec.Engine, r.Engine, ok)
	r.Cluster, ok = c.Cluster(r.Spec.Cluster)
	note("cluster", r.Spec.Cluster, r.Cluster, ok)
	r.Network, ok = c.Network(r.Spec.Network)
	note("network", r.Spec.Network, r.Network, ok)
	f, ok := c.FusionProfile(r.Spec.Fusion)
	if note("fusion", r.Spec.Fusion, f, ok) {
		r.Fusion = &f
	}
	e, ok := c.Environment(r.Spec.Environment)
	if note("environment", r.Spec.Environment, e, ok) {
		r.Environment = &e
	}
	if r.Spec.Metastore() == "" {
		r.Warehouse, ok = c.WarehouseDirectory(&r.Spec)
		note("warehouse", r.Spec.Warehouse, r.Warehouse, ok)
	}
	for _, name := range r.Spec.Directories {
		d, ok := c.Directory(name)
		if note("directories", name, d, ok) {
			r.Directories = append(r.Directories, d)
		}
	}
}

// locate determines where jobs run.
func (r *Gateway) locate() {
	r.Master, r.DeployMode = r.LivyConf(upstream.MasterKey), r.LivyConf(upstream.DeployModeKey)
	if r.Cluster.Name != "" {
		r.DeployMode = r.Cluster.DeployMode
	}
	for _, master := range []string{
		r.Cluster.Master, r.Engine.Master,
		fmt.Sprintf("local[%d]", max(r.Spec.CPU, 1)),
	} {
		// Not local[*]: a process outside a container would use all cores.
		if r.Master == "" {
			r.Master = master
		}
	}
}

// LivyConf returns the value of a key in the gateway's livy.conf, or "".
func (r *Gateway) LivyConf(key string) string { return upstream.Lookup(r.conf.Livy, key) }

// Local reports whether drivers and executors run next to the Livy server.
func (r *Gateway) Local() bool { return strings.HasPrefix(r.Master, "local") }

// Kubernetes reports whether jobs run on Kubernetes.
func (r *Gateway) Kubernetes() bool { return strings.HasPrefix(r.Master, "k8s") }

// JobNamespace returns the namespace of jobs on Kubernetes, or "" if no setting names one.
func (r *Gateway) JobNamespace() string {
	const key = "spark.kubernetes.namespace"
	return cmp.Or(r.Spec.Queue, r.Cluster.Conf[key], upstream.Lookup(r.conf.Spark, key))
}

// YARN reports whether jobs run on YARN.
func (r *Gateway) YARN() bool { return strings.HasPrefix(r.Master, "yarn") }

// DriversAway reports whether drivers run where the gateway cannot mount directories:
// neither next to the Livy server nor on Kubernetes.
func (r *Gateway) DriversAway() bool { return r.DeployMode == "cluster" && !r.Kubernetes() }

// CannotSee returns the reason why the gateway cannot read the Livy server's lists, or "" if
// the settings do not prevent it.
func (r *Gateway) CannotSee() string {
	if !r.LoginNeeded || r.Login.User != "" {
		return ""
	}
	return "livy.conf requires a login, and the configuration has no ldap_login for this directory"
}

// mountPoints returns the paths at which directories are mounted for jobs.
func (r *Gateway) mountPoints() (paths []string) {
	for _, d := range r.Directories {
		paths = append(paths, d.Path)
	}
	return paths
}

// localDirs returns the operator's directories for files of jobs, and more.
func (r *Gateway) localDirs(more ...string) []string {
	return slices.Concat(r.settings.LocalDirs, r.mountPoints(), more)
}
