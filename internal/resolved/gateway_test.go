package resolved

import (
	"maps"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

func newSettings() *Settings {
	return &Settings{Catalog: gateway.Catalog{
		Engines:  []gateway.Engine{{Name: "spark"}, {Name: "remote", Livy: "0.9.0", Master: "spark://m:7077"}},
		Clusters: []gateway.Cluster{{Name: "lake", Master: "yarn", DeployMode: "cluster"}},
	}}
}

// TestEachTextIsReadOnce: whatever is made of the result, and however often.
func TestEachTextIsReadOnce(t *testing.T) {
	calls := map[string]int{}
	parseConf = func(file, text string) ([]upstream.Entry, error) {
		calls[file]++
		return upstream.ParseConf(file, text)
	}
	t.Cleanup(func() { parseConf = upstream.ParseConf })
	spec := gateway.Spec{
		Name: "etl", LivyConf: "livy.impersonation.enabled true", LivyClientConf: "livy.rsc.sql.num-rows 7",
		SparkDefaults: "spark.driver.cores 2", SparkBlacklist: "spark.ui.*\nspark.x", PolicyRules: "max numExecutors 4",
	}
	r := New(newSettings(), spec)
	other := spec
	other.CPU = 2
	facts := Facts{ID: "lc-1", CreatedBy: "ann"}
	for _, r := range []*Gateway{r, r.With(spec, ""), r.With(other, "")} {
		if err := r.Check(facts); err != nil {
			t.Fatal(err)
		}
		l, err := r.Launch(facts)
		if err != nil || !strings.Contains(l.Files[upstream.LivyClientConf], "num-rows = 7") || l.Files[upstream.SparkBlacklist] != "spark.ui.*\nspark.x\n" {
			t.Fatal(l.Files, err)
		}
		p, err := r.Policy(facts, "", "root.a")
		if err != nil || len(p.InForce()) == 0 {
			t.Fatal(err)
		}
	}
	want := map[string]int{upstream.LivyConf: 1, upstream.LivyClientConf: 1, upstream.SparkDefaults: 1}
	if !maps.Equal(calls, want) {
		t.Errorf("read %v, want %v", calls, want)
	}
}

// TestBlacklistOfTheRunningServer: Livy refuses whole requests for keys that its own copy
// still has, so that they are ignored until it is restarted.
func TestBlacklistOfTheRunningServer(t *testing.T) {
	spec := gateway.Spec{Name: "etl", SparkBlacklist: "spark.a\nspark.new.*"}
	r := New(newSettings(), spec)
	if r.With(spec, spec.SparkBlacklist) != r {
		t.Error("the same settings were resolved anew")
	}
	inForce := r.With(spec, "spark.a\nspark.taken.off\nspark.old.*")
	p, err := inForce.Policy(Facts{ID: "lc-1"}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	result, err := p.Create(livy.KindSession, "", "", strings.NewReader(
		`{"conf":{"spark.a":"1","spark.new.x":"1","spark.taken.off":"1","spark.old.y":"1","spark.allowed":"1"}}`))
	if err != nil {
		t.Fatal(err)
	}
	ignored := map[string]string{}
	for _, e := range result.Report.Ignored {
		ignored[e.Key] = e.Source
	}
	want := map[string]string{
		"spark.a": "spark-blacklist.conf:1", "spark.new.x": "spark-blacklist.conf:2",
		"spark.taken.off": "the running Livy server's spark-blacklist.conf:2", "spark.old.y": "the running Livy server's spark-blacklist.conf:3",
	}
	if !maps.Equal(ignored, want) {
		t.Errorf("ignored %v, want %v", ignored, want)
	}
	l, err := r.Launch(Facts{ID: "lc-1"})
	if err != nil || l.Files[upstream.SparkBlacklist] != "spark.a\nspark.new.*\n" {
		t.Errorf("the next server is started with %q, %v", l.Files[upstream.SparkBlacklist], err)
	}
}

func TestWith(t *testing.T) {
	r := New(newSettings(), gateway.Spec{Name: "etl"})
	if r.With(gateway.Spec{Name: "etl", CPU: 1, Memory: "4Gi", Engine: "spark", LivyVersion: "0.8.0"}, "") != r {
		t.Error("the same settings were resolved anew")
	}
	if other := r.With(gateway.Spec{Name: "etl", LivyConf: "livy.spark.master yarn"}, ""); other.Master != "yarn" {
		t.Errorf("other settings: master %s", other.Master)
	}
}

func TestMaster(t *testing.T) {
	for name, tt := range map[string]struct {
		spec         gateway.Spec
		master, mode string
	}{
		"default":     {gateway.Spec{CPU: 4}, "local[4]", ""},
		"engine":      {gateway.Spec{Engine: "remote"}, "spark://m:7077", ""},
		"cluster":     {gateway.Spec{Engine: "remote", Cluster: "lake"}, "yarn", "cluster"},
		"livy.conf":   {gateway.Spec{Engine: "remote", LivyConf: "livy.spark.master yarn\nlivy.spark.deploy-mode client"}, "yarn", "client"},
		"not a known": {gateway.Spec{Engine: "gone"}, "local[1]", ""},
	} {
		r := New(newSettings(), tt.spec)
		if r.Master != tt.master || r.DeployMode != tt.mode {
			t.Errorf("%s: %s in mode %q, want %s in %q", name, r.Master, r.DeployMode, tt.master, tt.mode)
		}
	}
}

// TestPromised: only what somebody wrote down is a promise.
func TestPromised(t *testing.T) {
	for name, tt := range map[string]struct {
		spec            gateway.Spec
		promised, shown string
	}{
		"nobody":      {gateway.Spec{}, "", "0.8.0"},
		"the gateway": {gateway.Spec{LivyVersion: "0.8.0"}, "0.8.0", "0.8.0"},
		"the engine":  {gateway.Spec{Engine: "remote"}, "0.9.0", "0.9.0"},
	} {
		r := New(newSettings(), tt.spec)
		if r.Promised != tt.promised || r.Spec.LivyVersion != tt.shown {
			t.Errorf("%s: promised %q, shown %q", name, r.Promised, r.Spec.LivyVersion)
		}
	}
}

// TestMistakes: each is told with its field, or its file and line.
func TestMistakes(t *testing.T) {
	for want, spec := range map[string]gateway.Spec{
		"cpu: must be one of":                       {CPU: 3},
		"engine: must be one of":                    {Engine: "gone"},
		"livy.conf line 2: livy.server.port":        {LivyConf: "livy.a b\nlivy.server.port 1"},
		"livy-client.conf line 1: a key must begin": {LivyClientConf: "x 1"},
		"spark-defaults.conf line 1: a key":         {SparkDefaults: "x 1"},
		"spark-blacklist.conf:2: must be one key":   {SparkBlacklist: "spark.a\nspark.b 1"},
		"spark-blacklist.conf: must be at most":     {SparkBlacklist: strings.Repeat("#", upstream.MaxConfBytes+1)},
		"policy.rules:1":                            {PolicyRules: "what"},
		"if the gateway has a cluster":              {Cluster: "lake", LivyConf: "livy.spark.master local"},
		"autoStop.enabled":                          {LivyConf: "livy.server.auth.type ldap", AutoStop: gateway.AutoStop{Enabled: true}},
	} {
		spec.Name = "etl"
		err := New(newSettings(), spec).Check(Facts{ID: "lc-1"})
		// The line's key stands behind the rule.
		field, key, _ := strings.Cut(want, "line 1: ")
		if err == nil || !strings.Contains(err.Error(), strings.SplitN(field, ": livy.server", 2)[0]) || !strings.Contains(err.Error(), key) ||
			gateway.KindOf(err) != gateway.KindInvalid {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestMistakesInServerFiles keep a server from starting, and not its requests from
// being ruled: a version before may have taken them.
func TestMistakesInServerFiles(t *testing.T) {
	r := New(newSettings(), gateway.Spec{Name: "etl", LivyConf: "livy.server.port 1"})
	if _, err := r.Policy(Facts{ID: "lc-1"}, "", ""); err != nil {
		t.Error(err)
	}
	if _, err := r.Launch(Facts{ID: "lc-1"}); err == nil {
		t.Error("a server can be started")
	}
}

func TestGuardsReachThePolicy(t *testing.T) {
	s := newSettings()
	s.Guards = policies.Guards{Mode: policies.ModeStrict, AllowConf: []string{"spark.myteam.*"}}
	p, err := New(s, gateway.Spec{Name: "etl"}).Policy(Facts{ID: "lc-1"}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range p.InForce() {
		found[f.Effect+" "+f.Key] = true
	}
	if !found["grant spark.myteam.*"] || !found["strict conf, className, schemes"] {
		t.Errorf("in force: %v", found)
	}
}

// TestServerMemory: drivers beside a server that the gateway starts share its memory.
func TestServerMemory(t *testing.T) {
	s := newSettings()
	s.Catalog.Engines = append(s.Catalog.Engines, gateway.Engine{Name: "image", Image: "livy:1"},
		gateway.Engine{Name: "home", LivyHome: "/opt/livy", Master: "yarn"}, gateway.Engine{Name: "url", URL: "http://h:8998"})
	for name, tt := range map[string]struct {
		spec gateway.Spec
		want bool // whether a driver of 30 GiB is noted
	}{
		"docker":              {gateway.Spec{Engine: "image"}, true},
		"process, client":     {gateway.Spec{Engine: "home"}, true},
		"cluster":             {gateway.Spec{Engine: "image", Cluster: "lake"}, false},
		"a server of another": {gateway.Spec{Engine: "url"}, false},
	} {
		p, err := New(s, tt.spec).Policy(Facts{ID: "lc-1"}, "", "")
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Create(livy.KindSession, "", "", strings.NewReader(`{"driverMemory":"30g"}`))
		if err != nil || (len(r.Report.Noted) > 0) != tt.want {
			t.Errorf("%s: noted %+v, %v; want %v", name, r.Report.Noted, err, tt.want)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	s := newSettings()
	spec := gateway.Spec{Name: "etl", SparkDefaults: strings.Repeat("spark.sql.shuffle.partitions 200\n", 100)}
	b.ReportAllocs()
	for b.Loop() {
		New(s, spec)
	}
}
