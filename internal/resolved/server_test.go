package resolved_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
)

func testCatalog() *gateway.Catalog {
	return &gateway.Catalog{
		Engines:      []gateway.Engine{{Name: "spark-3.5", Image: "a"}, {Name: "spark-3.4", Image: "b"}},
		Clusters:     []gateway.Cluster{{Name: "lake", Master: "yarn", DeployMode: "cluster"}},
		Environments: []gateway.Environment{{Name: "analytics", Dir: "/srv/env", PyFiles: []string{"lib.zip"}}},
		Networks:     []gateway.Network{{Name: "lake", VPC: "vpc-1"}},
		Directories: []gateway.Directory{
			{Name: "scratch", Type: "local", Source: "/srv/scratch", Path: "/mnt/scratch"},
			{Name: "bucket", Type: "oss", Source: "/srv/bucket", Path: "/mnt/bucket"},
		},
		Fusion: []gateway.Fusion{gateway.Comet()},
	}
}

func resolve(c *gateway.Catalog, spec gateway.Spec) *resolved.Gateway {
	return resolved.New(&resolved.Settings{Catalog: *c}, spec)
}

func TestPending(t *testing.T) {
	c := testCatalog()
	s := gateway.Spec{Name: "etl", CPU: 1, Memory: "4Gi", LivyConf: "livy.a b"}
	launched := resolve(c, s).Fingerprints()
	if p := resolve(c, s).Pending(launched); len(p) != 0 {
		t.Errorf("pending without a change: %v", p)
	}
	s.Name, s.Queue, s.Public, s.PolicyRules = "new", "q", true, "max numExecutors 1"
	s.Directories = []string{}
	if p := resolve(c, s).Pending(launched); len(p) != 0 {
		t.Errorf("pending after changes that hold at once: %v", p)
	}
	s.CPU, s.LivyConf = 2, "livy.a c"
	if p := resolve(c, s).Pending(launched); !slices.Equal(p, []string{"cpu", "livyConf"}) {
		t.Errorf("pending %v", p)
	}
	if p := resolve(c, s).Pending(nil); p != nil {
		t.Errorf("pending without a server: %v", p)
	}
}

// TestPendingDefaults: what nobody has set follows the operator's defaults, at the next
// start; a default that somebody has set as well is no change.
func TestPendingDefaults(t *testing.T) {
	c := testCatalog()
	s := gateway.Spec{Name: "etl"}
	launched := resolve(c, s).Fingerprints()
	pinned := gateway.Spec{Name: "etl", CPU: 1, Memory: "4Gi", Engine: "spark-3.5", LivyVersion: "0.8.0"}
	if p := resolve(c, pinned).Pending(launched); len(p) != 0 {
		t.Errorf("pending for defaults that somebody set: %v", p)
	}
	c.Memories = []string{"8Gi"}
	slices.Reverse(c.Engines)
	if p := resolve(c, s).Pending(launched); !slices.Equal(p, []string{"engine", "memory"}) {
		t.Errorf("pending for new defaults: %v", p)
	}
	if p := resolve(c, pinned).Pending(launched); len(p) != 0 {
		t.Errorf("pending for new defaults of a gateway that has its own: %v", p)
	}
}

func TestPendingEntriesOfTheCatalog(t *testing.T) {
	spec := gateway.Spec{
		Engine: "spark-3.5", Cluster: "lake", Environment: "analytics", Network: "lake",
		Directories: []string{"scratch", "bucket"}, Fusion: "comet",
	}
	for name, tt := range map[string]struct {
		change func(*gateway.Spec, *gateway.Catalog)
		want   string
	}{
		"nothing":      {func(*gateway.Spec, *gateway.Catalog) {}, ""},
		"an engine":    {func(_ *gateway.Spec, c *gateway.Catalog) { c.Engines[0].Image += "-2" }, "engine spark-3.5"},
		"a cluster":    {func(_ *gateway.Spec, c *gateway.Catalog) { c.Clusters[0].DeployMode = "client" }, "cluster lake"},
		"a network":    {func(_ *gateway.Spec, c *gateway.Catalog) { c.Networks[0].DockerNetwork = "x" }, "network lake"},
		"a directory":  {func(_ *gateway.Spec, c *gateway.Catalog) { c.Directories[0].ReadOnly = true }, "directories scratch"},
		"a profile":    {func(_ *gateway.Spec, c *gateway.Catalog) { c.Fusion[0].Jars = []string{"local:/x"} }, "fusion comet"},
		"a variable":   {func(_ *gateway.Spec, c *gateway.Catalog) { c.Environments[0].Env = map[string]string{"A": "b"} }, "environment analytics"},
		"one is gone":  {func(_ *gateway.Spec, c *gateway.Catalog) { c.Environments = nil }, "environment analytics"},
		"another name": {func(s *gateway.Spec, _ *gateway.Catalog) { s.Directories = []string{"scratch"} }, "directories"},
		"not ours":     {func(_ *gateway.Spec, c *gateway.Catalog) { c.Engines[1].Image += "-2" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := spec, testCatalog()
			launched := resolved.New(&resolved.Settings{Catalog: *c}, s).Fingerprints()
			tt.change(&s, c)
			if got := strings.Join(resolved.New(&resolved.Settings{Catalog: *c}, s).Pending(launched), ","); got != tt.want {
				t.Errorf("pending %q, want %q", got, tt.want)
			}
		})
	}
}
