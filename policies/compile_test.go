package policies_test

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

// TestCompileRefuses: what is wrong with settings is told when they are made,
// with the place and the reason.
func TestCompileRefuses(t *testing.T) {
	env := func(conf map[string]string) policies.Settings {
		return policies.Settings{Environment: &policies.Environment{Name: "e", Conf: conf}}
	}
	rule := func(r policies.Rule) policies.Settings { return policies.Settings{Rules: []policies.Rule{r}} }
	for name, c := range map[string]struct {
		settings policies.Settings
		want     string
	}{
		"a relative directory":            {policies.Settings{Guards: policies.Guards{LocalDirs: []string{"data"}}}, "localDirs: must be a clean absolute path"},
		"a directory with dots":           {policies.Settings{Guards: policies.Guards{LocalDirs: []string{"/data/../etc"}}}, "localDirs: must be a clean absolute path"},
		"the root as a directory":         {policies.Settings{Guards: policies.Guards{LocalDirs: []string{"/"}}}, "localDirs: must be a clean absolute path"},
		"file as a remote scheme":         {policies.Settings{Guards: policies.Guards{Schemes: []string{"file"}}}, "schemes: must be a URI scheme"},
		"a scheme in capitals":            {policies.Settings{Guards: policies.Guards{Schemes: []string{"HDFS"}}}, "schemes: must be a URI scheme"},
		"a route that is none":            {policies.Settings{DisabledRoutes: []string{"session.fly"}}, "disabledRoutes: must be the name of a route"},
		"a version that is none":          {policies.Settings{LivyVersion: "latest"}, "livyVersion: must begin with two numbers"},
		"an identity that is none":        {policies.Settings{Identity: "a b"}, "identity: must be a user name"},
		"a Livy key that is none":         {policies.Settings{Guards: policies.Guards{LivyKeys: []string{"spark.x"}}}, "livyKeys: must begin with livy."},
		"a list in an environment's conf": {env(map[string]string{"spark.jars": "x"}), "environment e: is a list that is merged"},
		"a Livy key in an environment":    {env(map[string]string{"livy.rsc.x": "x"}), "environment e: cannot be set for jobs: it belongs to Livy"},
		"a field in an environment":       {env(map[string]string{"driverMemory": "x"}), "environment e: is a field of Livy's requests"},
		"an equals sign in a key":         {env(map[string]string{"spark.a=b": "x"}), "environment e: the key must not contain ="},
		"cores that are no number":        {env(map[string]string{"spark.driver.cores": "two"}), "environment e: spark.driver.cores: must be a whole number"},
		"one variable too odd":            {policies.Settings{Environment: &policies.Environment{Name: "e", Env: map[string]string{"A-B": "x"}}}, "name of an environment variable"},
		"two parts that disagree":         {policies.Settings{Queue: "a", Environment: &policies.Environment{Name: "e", Conf: map[string]string{"spark.yarn.queue": "b"}}}, "is also set by gateway queue"},
		"a label that is none":            {policies.Settings{Labels: map[string]string{"A": "x"}}, "labels: a label's name"},
		"a rule without a rule":           {rule(policies.Rule{Key: "kind"}), "rule kind: a rule needs"},
		"a cap that is no size":           {rule(policies.Rule{Key: "driverMemory", Max: "lots"}), "the maximum of driverMemory must be a size"},
		"a cap on text":                   {rule(policies.Rule{Key: "queue", Max: "4"}), "the maximum of queue must be text"},
		"a cap on a list":                 {rule(policies.Rule{Key: "jars", Max: "4"}), "is a list and has no maximum"},
		"an action that is none":          {rule(policies.Rule{Key: "kind", Required: true, Action: "shout"}), "the action must be lower or refuse"},
		"a kind that is none":             {rule(policies.Rule{Key: "kind", Allowed: []string{"cobol"}}), "must be one of spark"},
		"a star in an allowed value":      {rule(policies.Rule{Key: "jars", Allowed: []string{"a*b"}}), "a * is allowed at the end only"},
		"a rule on what is forced":        {policies.Settings{Queue: "q", Rules: []policies.Rule{{Key: "queue", Required: true}}}, "needs no rule"},
		"a required key that is ignored":  {policies.Settings{Blacklist: blacklist(t, "spark.app.name"), Rules: []policies.Rule{{Key: "name", Required: true}}}, "cannot be required"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policies.Compile(c.settings)
			if err == nil || !strings.Contains(err.Error(), c.want) || gateway.KindOf(err) != gateway.KindInvalid {
				t.Errorf("got %v, want an invalid input that says %q", err, c.want)
			}
		})
	}
}

// TestParseBlacklistRefuses: with the line and the reason.
func TestParseBlacklistRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a value in the blacklist":        {"spark.a\n\n# c\nspark.b = 1", "b.conf:4: must be one key per line"},
		"an equals sign in the blacklist": {"spark.b=1", "b.conf:1: the key must not contain ="},
		"a lone star":                     {"*", "b.conf:1: a lone *"},
		"a star in the middle":            {"spark.*.x", "b.conf:1: a * is allowed at the end only"},
		"a field that is needed":          {"file", "b.conf:1: this field cannot be ignored"},
		"a key that is not ASCII":         {"spärk.x", "b.conf:1: the key must be ASCII"},
		"a blank from a web page":         {"\ufeff# c\nspark.a\u00a01", "b.conf:2: holds a no-break space (U+00A0)"},
	} {
		_, err := policies.ParseBlacklist(policies.File{Name: "b.conf", Text: c.text})
		if err == nil || !strings.Contains(err.Error(), c.want) || gateway.KindOf(err) != gateway.KindInvalid {
			t.Errorf("%s: got %v, want an invalid input that says %q", name, err, c.want)
		}
	}
}

func TestRecommendedBlacklist(t *testing.T) {
	p, err := policies.Compile(policies.Settings{Queue: "q", Blacklist: blacklist(t, policies.RecommendedBlacklist)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Create(livy.KindBatch, "", "", strings.NewReader(`{"file":"hdfs:///x","executorMemory":"2g","conf":{"spark.ui.enabled":"false","spark.sql.shuffle.partitions":"9"}}`))
	if want := `{"file":"hdfs:///x","queue":"q","executorMemory":"2g","conf":{"spark.sql.shuffle.partitions":"9"}}`; err != nil || string(r.Body) != want {
		t.Errorf("%s, %v", r.Body, err)
	}
}

// TestMountCost is the rule of the product, with its own example first.
func TestMountCost(t *testing.T) {
	const gi = 1 << 30
	for _, c := range []struct{ cores, memory, milli, bytes int64 }{
		{4, 8 * gi, 400, gi},
		{1, gi, 300, gi},
		{3, 10 * gi, 300, gi},
		{2, 16 * gi, 300, 16 * gi / 10},
		{8, 64 * gi, 800, 64 * gi / 10},
	} {
		if got := policies.MountCost(c.cores, c.memory); got.MilliCPU != c.milli || got.MemoryBytes != c.bytes {
			t.Errorf("%d cores and %d bytes cost %+v, want %d and %d", c.cores, c.memory, got, c.milli, c.bytes)
		}
	}
}

// TestEffective: the record shows what a job runs with, whoever said so.
func TestEffective(t *testing.T) {
	p, err := policies.Compile(policies.Settings{
		Queue: "etl", SparkDefaults: map[string]string{"spark.driver.cores": "4", "spark.driver.memory": "8g"},
		Mounts: &policies.Mounts{Directories: []string{"nas"}}, Master: "yarn",
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Create(livy.KindSession, "", "", strings.NewReader(`{"kind":"python","name":"n","ttl":"1h","executorMemory":"2g","conf":{"spark.executor.cores":"3","spark.my.password":"hunter2"}}`))
	if err != nil {
		t.Fatal(err)
	}
	e := r.Effective
	if e.SessionKind != "pyspark" || e.Name != "n" || e.Queue != "etl" || e.TTL != "1h" || e.DriverMemory != "8g" || e.DriverCores != 4 ||
		e.ExecutorMemory != "2g" || e.ExecutorCores != 3 || e.NumExecutors != 2 || e.MountCost == nil || *e.MountCost != (policies.Cost{MilliCPU: 400, MemoryBytes: 1 << 30}) {
		t.Errorf("%+v, cost %+v", e, e.MountCost)
	}
	if e.DriverMemoryBytes() != 8<<30 || e.ExecutorMemoryBytes() != 2<<30 {
		t.Error(e.DriverMemoryBytes(), e.ExecutorMemoryBytes())
	}
	if e.Conf["spark.my.password"] != "(redacted)" || !strings.Contains(string(r.Body), "hunter2") {
		t.Errorf("the record has %q, Livy gets %s", e.Conf["spark.my.password"], r.Body)
	}
}
