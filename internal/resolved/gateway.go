// Package resolved makes of a gateway's settings what all else goes by: defaults are
// filled in, names are replaced by the entries of the catalog that they stand for, the
// configuration files are read, sizes are numbers. That is done once for each version
// of a gateway and of the configuration; policies, the files of a Livy server, its
// launch, notes and restarts take the result. It is made of pure functions.
package resolved

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// Gateway is the settings of a gateway with everything that they name in place. It is
// not changed once it is made, and safe for concurrent use.
type Gateway struct {
	// Spec is the settings with defaults filled in.
	Spec gateway.Spec
	// Defaults are the defaults that were filled in; nil if there are none.
	Defaults *gateway.Defaults
	// Promised is the version that the Livy server must have, which the gateway or its
	// engine's entry in the catalog says; empty if any version will do.
	Promised string
	// Memory is Spec.Memory in bytes.
	Memory int64

	// Engine, Cluster and Network are zero where none is named, or where Missing has it.
	Engine  gateway.Engine
	Cluster gateway.Cluster
	Network gateway.Network
	// Environment is what jobs get: the one that is named, its files as URIs, with the
	// settings by which Kubernetes mounts Directories; nil if there is neither.
	Environment *gateway.Environment
	// Fusion is the acceleration profile; nil if none is named.
	Fusion      *gateway.Fusion
	Directories []gateway.Directory
	// Missing are errors for what is named and is not in the catalog.
	Missing []*gateway.Error

	// Master and DeployMode are where jobs run, as livy.conf, cluster or engine say.
	// A DeployMode that is empty is Livy's own.
	Master, DeployMode string
	// Login is what the gateway itself logs in with at the Livy server, zero if there
	// is nothing; LoginNeeded reports whether the server wants logins.
	Login       Login
	LoginNeeded bool

	files
	// entries are what is named in the catalog and a Livy server is started with, by
	// field and name; nil for what is missing.
	entries  map[string]any
	marks    map[string]string
	settings *Settings
}

// files are the texts of a Spec, read.
type files struct {
	conf      upstream.Conf
	blacklist []policies.Denied
	rules     []policies.Rule
	grants    []policies.Grant
	// serverErr is the first mistake in livy.conf and livy-client.conf, policyErr that in
	// the files that policies are made from.
	serverErr, policyErr error
	typos                func() []string
}

// New resolves settings. It does not fail: what is wrong with them is found too, and
// told by whatever needs to be right.
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

// resolve takes over what like has read already; it may be nil.
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
	r.marks = marks(&r.Spec, r.entries)
	return r
}

// parseConf reads a file; tests count its calls.
var parseConf = upstream.ParseConf

// readFiles reads each text once.
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
	f.blacklist, err = policies.ParseBlacklist(policies.File{Name: upstream.SparkBlacklist, Text: s.SparkBlacklist})
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

// lookUp finds in the catalog what the settings name.
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
	for _, name := range r.Spec.Directories {
		d, ok := c.Directory(name)
		if note("directories", name, d, ok) {
			r.Directories = append(r.Directories, d)
		}
	}
}

// locate finds out where jobs run.
func (r *Gateway) locate() {
	r.Master, r.DeployMode = r.LivyConf(upstream.MasterKey), r.LivyConf(upstream.DeployModeKey)
	if r.Cluster.Name != "" {
		r.DeployMode = r.Cluster.DeployMode
	}
	for _, master := range []string{r.Cluster.Master, r.Engine.Master, fmt.Sprintf("local[%d]", max(r.Spec.CPU, 1))} {
		// Not local[*]: a process that is not in a container sees all cores.
		if r.Master == "" {
			r.Master = master
		}
	}
}

// LivyConf is the value of a key of the gateway's livy.conf, "" if it is not there.
func (r *Gateway) LivyConf(key string) string { return upstream.Lookup(r.conf.Livy, key) }

// Local reports whether drivers and executors run beside the Livy server.
func (r *Gateway) Local() bool { return strings.HasPrefix(r.Master, "local") }

// Kubernetes reports whether jobs run on Kubernetes.
func (r *Gateway) Kubernetes() bool { return strings.HasPrefix(r.Master, "k8s") }

// YARN reports whether jobs run on YARN.
func (r *Gateway) YARN() bool { return strings.HasPrefix(r.Master, "yarn") }

// DriversAway reports whether drivers run on machines that the gateway mounts nothing
// on: neither beside the Livy server nor on Kubernetes.
func (r *Gateway) DriversAway() bool { return r.DeployMode == "cluster" && !r.Kubernetes() }

// CannotSee says why the gateway cannot read the Livy server's lists, "" if it can as
// far as is known without asking.
func (r *Gateway) CannotSee() string {
	if !r.LoginNeeded || r.Login.User != "" {
		return ""
	}
	return "livy.conf lets only users in that log in, and the configuration has no ldap_login for this directory"
}

// mountPoints are the paths at which jobs find the directories.
func (r *Gateway) mountPoints() (paths []string) {
	for _, d := range r.Directories {
		paths = append(paths, d.Path)
	}
	return paths
}

// localDirs are the operator's directories for files of jobs, and more.
func (r *Gateway) localDirs(more ...string) []string {
	return slices.Concat(r.settings.LocalDirs, r.mountPoints(), more)
}
