package integration

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

// TestPoliciesKnowSparksNames holds the policies' table of names against Spark's own:
// what is blacklisted by one name that Spark reads must go by all.
func TestPoliciesKnowSparksNames(t *testing.T) {
	for _, j := range startJudges(t) {
		tried := 0
		for _, key := range slices.Sorted(maps.Keys(j.known.Settings)) {
			for _, other := range j.known.Settings[key] {
				tried++
				for _, c := range [][2]string{{key, other}, {other, key}} {
					if c[0] == c[1] {
						continue
					}
					p, err := policies.Compile(policies.Settings{Blacklist: blacklist(t, c[0])})
					if err != nil {
						t.Fatal(err)
					}
					body, err := json.Marshal(map[string]any{"file": "hdfs:///x.jar", "conf": map[string]string{c[1]: "1"}})
					if err != nil {
						t.Fatal(err)
					}
					r, err := p.Create(livy.KindBatch, "", "", bytes.NewReader(body))
					if err == nil && readCreate(t, r.Body).Conf != nil {
						t.Errorf("Spark %s reads %s as %s: with %s blacklisted, %s comes through", j.spark, other, key, c[0], c[1])
					}
				}
			}
		}
		t.Logf("Spark %s: %d other names", j.spark, tried)
		if tried < 50 {
			t.Errorf("Spark %s knows %d other names, want at least 50", j.spark, tried)
		}
	}
}

// TestPoliciesKnowKubernetesSettings: each setting for Kubernetes that a Spark declares is in a
// group of the operator's or explicitly a client's.
func TestPoliciesKnowKubernetesSettings(t *testing.T) {
	clients := []string{
		"spark.kubernetes.driver.limit.cores", "spark.kubernetes.driver.request.cores", "spark.kubernetes.driverEnv.x",
		"spark.kubernetes.executor.limit.cores", "spark.kubernetes.executor.request.cores",
		"spark.kubernetes.local.dirs.tmpfs", "spark.kubernetes.memoryOverheadFactor", "spark.kubernetes.pyspark.pythonVersion",
	}
	p, err := policies.Compile(policies.Settings{Master: "k8s://https://k"})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range startJudges(t) {
		keys := slices.Collect(maps.Keys(j.known.Settings))
		for _, prefix := range j.known.Kubernetes {
			keys = append(keys, strings.TrimSuffix(prefix, ".")+".x")
		}
		keys = slices.DeleteFunc(keys, func(key string) bool { return !strings.HasPrefix(key, "spark.kubernetes.") })
		slices.Sort(keys)
		if len(keys) < 95 {
			t.Errorf("Spark %s declares %d settings for Kubernetes, want at least 95", j.spark, len(keys))
		}
		var passed []string
		for _, key := range keys {
			body, err := json.Marshal(map[string]any{"file": "hdfs:///x.jar", "conf": map[string]string{key: "1"}})
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Create(livy.KindBatch, "", "", bytes.NewReader(body))
			switch {
			case err != nil:
				t.Errorf("Spark %s: %s is refused, want ignored: %v", j.spark, key, err)
			case len(r.Report.Ignored) == 0:
				passed = append(passed, key)
			case !strings.Contains(r.Report.Ignored[0].Rule, "decides ") && !strings.Contains(r.Report.Ignored[0].Rule, "internal to Spark"):
				t.Errorf("Spark %s: %s is in no group: %s", j.spark, key, r.Report.Ignored[0].Rule)
			}
		}
		if !slices.Equal(slices.Compact(passed), clients) {
			t.Errorf("Spark %s: clients may set %q, want %q", j.spark, passed, clients)
		}
	}
}
