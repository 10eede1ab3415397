package control

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// compilePolicy makes a gateway's policy, with identity and queue in place of the
// gateway's where they are set.
func (m *Manager) compilePolicy(g *gateway.Gateway, identity, queue string) (*policies.Policy, error) {
	for _, lost := range g.Spec.Missing(m.Catalog()) {
		// Without these jobs would run as nobody meant them to. A server that runs
		// needs its engine and network no more.
		if lost.Field != "engine" && lost.Field != "network" {
			return nil, lost
		}
	}
	s := m.policySettings(g)
	if identity != "" {
		s.Identity = identity
	}
	if queue != "" {
		s.Queue = queue
	}
	rules, granted, err := policies.ParseRules(policies.File{Name: rulesFile, Text: g.Spec.PolicyRules})
	if err != nil {
		return nil, err
	}
	s.Rules = rules
	s.Grants = append(s.Grants, granted...)
	return policies.Compile(s)
}

// policySettings says what a gateway's policy consists of besides its rules.
func (m *Manager) policySettings(g *gateway.Gateway) policies.Settings {
	s := m.settings.Load()
	// What Livy itself is told decides; a text that cannot be read is refused
	// when it is rendered.
	livyConf, _ := upstream.ParseConf(upstream.LivyConf, g.Spec.LivyConf)
	localDirs := slices.Clone(s.LocalDirs)
	var mounts *policies.Mounts
	if len(g.Spec.Directories) > 0 {
		mounts = &policies.Mounts{Directories: g.Spec.Directories, Executors: g.Spec.MountToExecutor}
		localDirs = append(localDirs, m.mountPoints(&g.Spec)...)
	}
	if dirs := upstream.Lookup(livyConf, "livy.file.local-dir-whitelist"); dirs != "" {
		for dir := range strings.SplitSeq(dirs, ",") {
			localDirs = append(localDirs, strings.TrimSpace(dir))
		}
	}
	return policies.Settings{
		Mode:            cmp.Or(g.Spec.Policy, s.PolicyMode),
		Grants:          slices.Clone(s.Grants),
		LivyVersion:     livyVersion(g),
		Master:          m.master(g),
		Environment:     m.environment(g),
		Fusion:          m.fusion(g),
		Mounts:          mounts,
		SparkDefaults:   policies.File{Name: upstream.SparkDefaults, Text: g.Spec.SparkDefaults},
		Blacklist:       policies.File{Name: upstream.SparkBlacklist, Text: g.Spec.SparkBlacklist},
		EventLogs:       m.eventLogs(g),
		Queue:           g.Spec.Queue,
		Identity:        identityOf(g, livyConf),
		LocalDirs:       localDirs,
		MaxBody:         s.MaxBody,
		MaxCode:         s.MaxCode,
		MaxUpload:       s.MaxUpload,
		Schemes:         s.Schemes,
		LivyKeys:        s.LivyKeys,
		ClientIdentity:  s.ClientIdentity,
		CustomClasspath: s.CustomClasspath,
		DisabledRoutes:  g.Spec.DisabledRoutes,
		Labels:          map[string]string{"gateway": g.ID},
	}
}

// livyVersion is what a gateway's Livy server is, or is promised to be.
func livyVersion(g *gateway.Gateway) string {
	if g.Status.LivyVersion != "" {
		return g.Status.LivyVersion
	}
	return g.Spec.LivyVersion
}

// identityOf is the user that a gateway's jobs run as: with impersonation and
// no other word on it, the gateway's creator.
func identityOf(g *gateway.Gateway, livyConf []upstream.Entry) string {
	if g.Spec.Identity != "" || upstream.Lookup(livyConf, "livy.impersonation.enabled") != "true" {
		return g.Spec.Identity
	}
	spark, _ := upstream.ParseConf(upstream.SparkDefaults, g.Spec.SparkDefaults)
	if upstream.Lookup(spark, "spark.livy.proxyUser") != "" || gateway.ValidateIdentity("createdBy", g.CreatedBy) != nil {
		return ""
	}
	return g.CreatedBy
}

// mountPoints are the paths at which a gateway's jobs find its directories.
func (m *Manager) mountPoints(s *gateway.Spec) []string {
	var paths []string
	for _, name := range s.Directories {
		if d, ok := m.Catalog().Directory(name); ok {
			paths = append(paths, d.Path)
		}
	}
	return paths
}

// render makes the conf files of a gateway's Livy server.
func (m *Manager) render(g *gateway.Gateway) (map[string]string, gateway.Engine, error) {
	s := m.settings.Load()
	engine, ok := s.Catalog.Engine(g.Spec.Engine)
	if !ok {
		return nil, engine, gateway.Invalid("engine", g.Spec.Engine,
			"is not among the configured engines: "+strings.Join(s.Catalog.EngineNames(), ", "))
	}
	policy, err := m.compilePolicy(g, "", "")
	if err != nil {
		return nil, engine, err
	}
	cluster, _ := s.Catalog.Cluster(g.Spec.Cluster)
	// Livy reads files only from places that it is told of: where directories
	// are mounted, and where the environment's files lie.
	localDirs := append(slices.Clone(s.LocalDirs), m.mountPoints(&g.Spec)...)
	if e, ok := s.Catalog.Environment(g.Spec.Environment); ok && e.Dir != "" {
		localDirs = append(localDirs, e.Dir)
	}
	login, _ := m.login(g)
	files, err := upstream.RenderConf(upstream.ConfInput{
		Spec: g.Spec, Engine: engine, Cluster: cluster, LocalDirs: localDirs, Forced: policy.Forces, Superuser: login.User,
	})
	return files, engine, err
}

func (m *Manager) launch(g *gateway.Gateway) (upstream.Launch, error) {
	files, engine, err := m.render(g)
	if err != nil {
		return upstream.Launch{}, err
	}
	l := upstream.Launch{
		GatewayID: g.ID, Workspace: g.Workspace, Name: g.Spec.Name,
		CPU: g.Spec.CPU, Memory: g.Spec.MemoryBytes(), Engine: engine, Files: files,
	}
	c := m.Catalog()
	if missing := g.Spec.Missing(c); len(missing) > 0 {
		return l, missing[0]
	}
	cluster, _ := c.Cluster(g.Spec.Cluster)
	if l.ClusterFiles, err = clusterFiles(cluster); err != nil {
		return l, err
	}
	network, _ := c.Network(g.Spec.Network)
	l.Network = network.DockerNetwork
	for _, name := range g.Spec.Directories {
		d, _ := c.Directory(name)
		l.Directories = append(l.Directories, d)
	}
	if e, _ := c.Environment(g.Spec.Environment); e.Dir != "" {
		l.Directories = append(l.Directories, gateway.Directory{
			Name: "environment " + e.Name, Type: gateway.DirectoryLocal, Source: e.Dir, Path: e.Dir, ReadOnly: true,
		})
	}
	if upstream.DriversBeside(files) { // they have the server's variables and directory
		if e := m.environment(g); e != nil {
			l.Env = e.DriverEnv
		}
		e, _ := c.Environment(g.Spec.Environment)
		l.Archives = packed(e)
	}
	if dir := m.History().LocalDir(); dir != "" && m.Runtime.Name() != "static" {
		l.Directories = append(l.Directories, gateway.Directory{
			Name: "event logs", Type: gateway.DirectoryLocal, Source: dir, Path: dir,
		})
	}
	return l, nil
}

// packed are the archives of an environment that drivers beside the Livy server find
// unpacked; Spark itself unpacks archives for executors and on clusters only.
func packed(e gateway.Environment) (list []upstream.Archive) {
	for _, a := range e.PackedIn() {
		list = append(list, upstream.Archive{Name: a.Name, Path: a.Path})
	}
	return list
}

// Explain applies a gateway's policy to a create body without sending anything.
func (m *Manager) Explain(g *gateway.Gateway, kind livy.Kind, body []byte) (policies.Result, error) {
	p, err := m.compilePolicy(inForce(g), "", "")
	if err != nil {
		return policies.Result{}, err
	}
	return p.Create(kind, "", "application/json", bytes.NewReader(body))
}

func sorted(all []*gateway.Gateway, workspace string) []*gateway.Gateway {
	all = slices.DeleteFunc(all, func(g *gateway.Gateway) bool {
		return workspace != "" && g.Workspace != workspace
	})
	slices.SortFunc(all, func(a, b *gateway.Gateway) int { return strings.Compare(a.Ref(), b.Ref()) })
	return all
}

func joinLines(lines []string) string { return strings.Join(lines, " | ") }
