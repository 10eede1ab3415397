package gateway_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestHistory(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	g := new(gateway.Gateway)
	g.Enter(gateway.StateCreated, "", "ann", now)
	g.Enter(gateway.StateStarting, "starting the Livy server", gateway.SystemActor, now.Add(time.Second))
	g.Enter(gateway.StateStarting, "waiting for an answer", gateway.SystemActor, now.Add(2*time.Second))
	if len(g.History) != 2 || g.Status.Reason != "waiting for an answer" || !g.Status.Since.Equal(now.Add(time.Second)) {
		t.Errorf("a new reason is no transition: %+v", g)
	}
	want := gateway.Transition{
		Time: now.Add(time.Second).UTC(), From: gateway.StateCreated, To: gateway.StateStarting,
		Actor: gateway.SystemActor, Cause: "starting the Livy server",
	}
	if g.History[1] != want {
		t.Errorf("transition %+v, want %+v", g.History[1], want)
	}
	for i := range 2 * gateway.MaxHistory {
		g.Enter([]gateway.State{gateway.StateError, gateway.StateStarting}[i%2], strings.Repeat("x", 1000), "", now)
	}
	if len(g.History) != gateway.MaxHistory || len(g.History[0].Cause) > 310 {
		t.Errorf("%d transitions with causes of %d bytes", len(g.History), len(g.History[0].Cause))
	}
}

func TestPending(t *testing.T) {
	c := testCatalog()
	s := gateway.Spec{Name: "etl", CPU: 1, Memory: "4Gi", LivyConf: "livy.a b"}
	marks := s.LaunchMarks(c)
	if p := s.Pending(marks, c); len(p) != 0 {
		t.Errorf("pending without a change: %v", p)
	}
	s.Name, s.Queue, s.Public, s.PolicyRules = "new", "q", true, "max x 1"
	s.Directories = []string{}
	if p := s.Pending(marks, c); len(p) != 0 {
		t.Errorf("pending after changes that hold at once: %v", p)
	}
	s.CPU, s.LivyConf = 2, "livy.a c"
	if p := s.Pending(marks, c); !slices.Equal(p, []string{"cpu", "livyConf"}) {
		t.Errorf("pending %v", p)
	}
	if p := s.Pending(nil, c); p != nil {
		t.Errorf("pending without a server: %v", p)
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
			marks := s.LaunchMarks(c)
			tt.change(&s, c)
			if got := strings.Join(s.Pending(marks, c), ","); got != tt.want {
				t.Errorf("pending %q, want %q", got, tt.want)
			}
		})
	}
}
