package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
)

// Catalog is what the configuration offers to gateways.
type Catalog struct {
	// Engines are combinations of a Livy and a Spark version; the first is the default.
	Engines []gateway.Engine `json:"engines"`
	*gateway.Catalog
	// CPUs and Memories are the sizes that gateways may use.
	CPUs     []int    `json:"cpus"`
	Memories []string `json:"memories"`
}

func (c *call) showCatalog() error {
	all := c.Manager.Catalog()
	shown := *all
	shown.Environments = make([]gateway.Environment, len(all.Environments))
	for i, e := range all.Environments {
		shown.Environments[i] = hideValues(e)
	}
	shown.Fusion = make([]gateway.Fusion, len(all.Fusion))
	for i, f := range all.Fusion {
		f.Conf = redacted(f.Conf)
		shown.Fusion[i] = f
	}
	return c.reply(http.StatusOK, Catalog{Catalog: &shown, Engines: all.Engines, CPUs: all.AllowedCPUs(), Memories: all.AllowedMemories()})
}

// Environment is a runtime environment as the API shows it.
type Environment struct {
	gateway.Environment
	// UsedBy lists the gateways that use it, as "workspace/name". While there are any, a
	// configuration without it is rejected.
	UsedBy []string `json:"usedBy"`
}

// EnvironmentList is a page of the runtime environments of the configuration.
type EnvironmentList struct {
	// Total counts the environments on all pages.
	Total        int64         `json:"total"`
	Environments []Environment `json:"environments"`
}

func (c *call) environment(e gateway.Environment) Environment {
	used := slices.DeleteFunc(c.Manager.UsedBy(func(s *gateway.Spec) bool { return s.Environment == e.Name }), func(ref string) bool {
		workspace, _, _ := strings.Cut(ref, "/")
		return !c.sees(workspace)
	})
	return Environment{Environment: hideValues(e), UsedBy: append([]string{}, used...)}
}

// hideValues removes the values of environment variables, which often contain passwords, and
// redacts settings that look like secrets.
func hideValues(e gateway.Environment) gateway.Environment {
	env := make(map[string]string, len(e.Env))
	for name := range e.Env {
		env[name] = "***"
	}
	e.Env, e.Conf = env, redacted(e.Conf)
	return e
}

func redacted(conf map[string]string) map[string]string {
	shown := make(map[string]string, len(conf))
	for key, value := range conf {
		shown[key] = policies.Redact(key, value)
	}
	return shown
}

func (c *call) listEnvironments() error {
	p, err := c.page()
	if err != nil {
		return err
	}
	all := c.Manager.Catalog().Environments
	list := EnvironmentList{Total: int64(len(all)), Environments: []Environment{}}
	for _, e := range cut(all, p) {
		list.Environments = append(list.Environments, c.environment(e))
	}
	c.more(p, list.Total)
	return c.reply(http.StatusOK, list)
}

func (c *call) showEnvironment() error {
	name := c.r.PathValue("environment")
	e, ok := c.Manager.Catalog().Environment(name)
	if !ok {
		return gateway.Errorf(gateway.KindNotFound, "no environment %q in the configuration", name)
	}
	return c.reply(http.StatusOK, c.environment(e))
}
