package integration

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/policies"
)

// fuzzPolicies are the policies under test, each for Spark on this machine, on
// YARN and on Kubernetes.
func fuzzPolicies(t *testing.T, rng *rand.Rand, judges []*judge) []fuzzPolicy {
	t.Helper()
	var aliased []string
	for key, others := range judges[0].known.Settings {
		if len(others) > 0 {
			aliased = append(aliased, key)
		}
	}
	slices.Sort(aliased)
	rng.Shuffle(len(aliased), func(i, j int) { aliased[i], aliased[j] = aliased[j], aliased[i] })
	listed := append(aliased[:min(30, len(aliased))], "spark.driver.memory", "spark.executor.memory", "spark.executor.instances", "spark.kerberos.*", "spark.hive.*", "spark.excludeOnFailure.*", "spark.yarn.executor.memoryOverhead")
	caps := []policies.Rule{
		{Key: "driverMemory", Max: "2g"},
		{Key: "spark.executor.memory", Max: "4g"},
		{Key: "executorCores", Max: "4"},
		{Key: "spark.driver.cores", Max: "2"},
		{Key: "numExecutors", Max: "10"},
		{Key: "spark.executor.memoryOverhead", Max: "1g"},
		{Key: "spark.driver.memoryOverhead", Max: "1g"},
		{Key: "spark.memory.offHeap.size", Max: "1g"},
	}
	lowered := slices.Clone(caps)
	for i := range lowered {
		lowered[i].Action = policies.Lower
	}
	allowed := policies.Guards{LocalDirs: []string{"/allowed"}}
	var out []fuzzPolicy
	for _, master := range []string{"local[2]", "yarn", "k8s://https://k"} {
		for name, s := range map[string]policies.Settings{
			"guards alone":    {},
			"user and queue":  {Identity: "alice", Queue: "root.etl", Guards: allowed, Blacklist: blacklist(t, "spark.executor.memory\nspark.files\nspark.archives\nspark.jars\nspark.submit.pyFiles\n")},
			"client's user":   {Guards: policies.Guards{LocalDirs: allowed.LocalDirs, ClientIdentity: true}, Rules: []policies.Rule{{Key: "driverMemory", Max: "2g"}}},
			"caps":            {Identity: "alice", Guards: allowed, Rules: caps},
			"caps that lower": {Identity: "alice", Guards: allowed, Rules: lowered},
			"blacklist":       {Identity: "alice", Queue: "root.etl", Guards: allowed, Blacklist: blacklist(t, strings.Join(listed, "\n"))},
			"recommended":     {Identity: "alice", Guards: allowed, Blacklist: blacklist(t, policies.RecommendedBlacklist)},
			"strict":          {Identity: "alice", Queue: "root.etl", Guards: policies.Guards{Mode: policies.ModeStrict, LocalDirs: allowed.LocalDirs}, Rules: caps},
			"environment": {Identity: "alice", Queue: "root.etl", Guards: allowed, Environment: &policies.Environment{
				Name: "env", Jars: []string{"hdfs:///env.jar"}, Conf: map[string]string{"spark.executor.cores": "2"}, Env: map[string]string{"TZ": "UTC"},
			}},
		} {
			s.Master = master
			p, err := policies.Compile(s)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, fuzzPolicy{name: name + " on " + master, settings: s, policy: p})
		}
	}
	slices.SortFunc(out, func(a, b fuzzPolicy) int { return strings.Compare(a.name, b.name) })
	return out
}

// blacklist reads the lines of a blacklist.
func blacklist(t *testing.T, text string) []policies.Denied {
	t.Helper()
	list, err := policies.ParseBlacklist(policies.File{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
