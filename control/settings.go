package control

import (
	"bytes"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/livy"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// compilePolicy makes a gateway's policy, with identity and queue in place of the
// gateway's where they are set.
func (m *Manager) compilePolicy(g *gateway.Gateway, identity, queue string) (*policies.Policy, error) {
	s := m.policySettings(g)
	if identity != "" {
		s.Identity = identity
	}
	if queue != "" {
		s.Queue = queue
	}
	rules, err := policies.ParseRules(policies.File{Name: "policy.rules", Text: g.Spec.PolicyRules})
	if err != nil {
		return nil, err
	}
	s.Rules = rules
	return policies.Compile(s)
}

// policySettings says what a gateway's policy consists of besides its rules.
func (m *Manager) policySettings(g *gateway.Gateway) policies.Settings {
	s := m.settings.Load()
	engine, _ := s.Catalog.Engine(g.Spec.Engine)
	// What Livy itself is told decides; a text that cannot be read is refused
	// when it is rendered.
	livyConf, _ := upstream.ParseConf(upstream.LivyConf, g.Spec.LivyConf)
	master := engine.Master
	if m := upstream.Lookup(livyConf, "livy.spark.master"); m != "" {
		master = m
	}
	localDirs := s.LocalDirs
	if dirs := upstream.Lookup(livyConf, "livy.file.local-dir-whitelist"); dirs != "" {
		localDirs = append(slices.Clone(localDirs), strings.Split(dirs, ",")...)
	}
	return policies.Settings{
		LivyVersion:     g.Status.LivyVersion,
		Master:          master,
		SparkDefaults:   policies.File{Name: upstream.SparkDefaults, Text: g.Spec.SparkDefaults},
		Blacklist:       policies.File{Name: upstream.SparkBlacklist, Text: g.Spec.SparkBlacklist},
		Queue:           g.Spec.Queue,
		Identity:        g.Spec.Identity,
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

// render makes the conf files of a gateway's Livy server.
func (m *Manager) render(g *gateway.Gateway) (map[string]string, gateway.Engine, error) {
	s := m.settings.Load()
	engine, ok := s.Catalog.Engine(g.Spec.Engine)
	if !ok {
		return nil, engine, gateway.Invalid("engine", g.Spec.Engine,
			"is not among the configured engines: "+strings.Join(s.Catalog.EngineNames(), ", "))
	}
	files, err := upstream.RenderConf(upstream.ConfInput{Spec: g.Spec, Engine: engine, LocalDirs: s.LocalDirs})
	return files, engine, err
}

func (m *Manager) launch(g *gateway.Gateway) (upstream.Launch, error) {
	files, engine, err := m.render(g)
	if err != nil {
		return upstream.Launch{}, err
	}
	return upstream.Launch{
		GatewayID: g.ID, Workspace: g.Workspace, Name: g.Spec.Name,
		CPU: g.Spec.CPU, Memory: g.Spec.MemoryBytes(), Engine: engine, Files: files,
	}, nil
}

func (m *Manager) client(address string) *livy.Client {
	return &livy.Client{Base: "http://" + address, HTTP: m.HTTP}
}

// Explain applies a gateway's policy to a create body without sending anything.
func (m *Manager) Explain(g *gateway.Gateway, kind livy.Kind, body []byte) (policies.Result, error) {
	p, err := m.compilePolicy(g, "", "")
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
