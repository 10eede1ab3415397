package policies

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

// ruled compiles rules, with a spark-defaults.conf.
func ruled(t *testing.T, rules, defaults string) *Policy {
	t.Helper()
	parsed, _, err := ParseRules(File{Name: "policy.rules", Text: rules})
	if err != nil {
		t.Fatal(err)
	}
	props, err := livy.ParseProperties(defaults)
	if err != nil {
		t.Fatal(err)
	}
	s := Settings{Rules: parsed, SparkDefaults: map[string]string{}, Guards: Guards{CustomClasspath: true}}
	for _, prop := range props {
		s.SparkDefaults[prop.Key] = prop.Value
	}
	p, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRulesOnWhatIsLeftOut sends requests that say nothing of the setting: Spark's own
// default counts, and no request is refused for it where there is a value to set.
func TestRulesOnWhatIsLeftOut(t *testing.T) {
	for _, tt := range []struct {
		name, rules, defaults, conf string
		key, set, refused           string
	}{
		{"a default above", "max spark.sql.shuffle.partitions 100 lower", "", ``, "spark.sql.shuffle.partitions", "100", ""},
		{"a default above, refusing", "max spark.sql.shuffle.partitions 100", "", ``, "spark.sql.shuffle.partitions", "100", ""},
		{"a default below", "max spark.sql.shuffle.partitions 1000", "", ``, "spark.sql.shuffle.partitions", "", ""},
		{"a default that is not allowed", "allow spark.sql.shuffle.partitions 10 20 lower", "", ``, "spark.sql.shuffle.partitions", "10", ""},
		{"a default that is allowed", "allow spark.sql.shuffle.partitions 10 200", "", ``, "spark.sql.shuffle.partitions", "", ""},
		{"a small default is not raised", "max spark.driver.maxResultSize 10g lower", "", ``, "spark.driver.maxResultSize", "", ""},
		{"a text", "allow spark.serializer org.apache.spark.serializer.KryoSerializer", "", ``, "spark.serializer", "org.apache.spark.serializer.KryoSerializer", ""},
		{"a text with a star", "allow spark.serializer com.example.*", "", ``, "spark.serializer", "", "its default does not meet this, so it must be set"},
		{"a duration in seconds", "max spark.network.timeout 60s lower", "", ``, "spark.network.timeout", "60s", ""},
		{"a bare number of seconds", "max spark.network.timeout 2m", "", `"spark.network.timeout":"120"`, "spark.network.timeout", "120", ""},
		{"too many seconds", "max spark.network.timeout 2m", "", `"spark.network.timeout":"121"`, "", "", "must be at most 2m"},
		{"a bare number of KiB", "max spark.shuffle.file.buffer 1m", "", `"spark.shuffle.file.buffer":"1025"`, "", "", "must be at most 1m"},
		{"an old name with another unit", "max spark.kryoserializer.buffer.max 64m", "", `"spark.kryoserializer.buffer.max.mb":"2000"`, "", "", "must be a size such as 4g, at most 64m"},
		{"an old name that says the same text", "allow spark.kryoserializer.buffer 64", "", `"spark.kryoserializer.buffer.mb":"64"`, "", "", "must be one of 64"},
		{"no limit as the default", "max spark.executor.logs.rolling.maxRetainedFiles 5", "", ``, "spark.executor.logs.rolling.maxRetainedFiles", "5", ""},
		{"all cores as the default", "max spark.cores.max 8", "", ``, "spark.cores.max", "8", ""},
		{"any number of executors as the default", "max spark.dynamicAllocation.maxExecutors 10", "", ``, "spark.dynamicAllocation.maxExecutors", "10", ""},
		{"the operator's default", "max spark.sql.shuffle.partitions 100", "spark.sql.shuffle.partitions 50", ``, "spark.sql.shuffle.partitions", "", ""},
		{"the operator's default above", "max spark.sql.shuffle.partitions 1000", "spark.sql.shuffle.partitions 5000", ``, "spark.sql.shuffle.partitions", "1000", ""},
		{"the client's word on what the default is of", "max spark.locality.wait.node 5s", "", `"spark.locality.wait":"1h"`, "spark.locality.wait.node", "5s", ""},
		{"the operator's word on what the default is of", "max spark.locality.wait.node 5s", "spark.locality.wait 1h", ``, "spark.locality.wait.node", "5s", ""},
		{"nobody's word on what the default is of", "max spark.locality.wait.node 5s", "", ``, "spark.locality.wait.node", "", ""},
		{"a default that nobody knows", "max spark.myapp.batch 10", "", ``, "spark.myapp.batch", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := ruled(t, tt.rules, tt.defaults)
			result, err := p.Create(livy.KindSession, "", "application/json", strings.NewReader(`{"kind":"pyspark","conf":{`+tt.conf+`}}`))
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) || gateway.KindOf(err) != gateway.KindInvalid {
					t.Fatalf("%v; want %q", err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var body struct{ Conf map[string]string }
			if err := json.Unmarshal(result.Body, &body); err != nil || body.Conf[tt.key] != tt.set {
				t.Errorf("%s, %v; want %s = %q", result.Body, err, tt.key, tt.set)
			}
			if lowered := len(result.Report.Lowered) == 1; lowered != (tt.set != "" && tt.conf == "" || strings.Contains(tt.name, "client's word")) {
				t.Errorf("lowered: %+v", result.Report.Lowered)
			}
		})
	}
}

func TestNotesOnRules(t *testing.T) {
	p := ruled(t, `max spark.sql.shuffle.partitions 100
max spark.myapp.batch 10
max spark.myapp.other 10
require spark.myapp.other
allow spark.myapp.mode a b
allow name etl-*
allow kind pyspark
max spark.executor.memoryOverhead 1g
allow jars hdfs:///approved/*
max numExecutors 4
max spark.locality.wait.node 5s
`, "spark.myapp.mode a\n")
	got := strings.Join(p.Notes(), "\n")
	want := []string{"policy.rules:2: ", "policy.rules:6: ", "policy.rules:8: ", "policy.rules:10: "}
	for _, source := range want {
		if !strings.Contains(got, source) {
			t.Errorf("nothing on %s", source)
		}
	}
	if n := len(p.Notes()); n != len(want) || !strings.Contains(got, `"require spark.myapp.batch" makes`) {
		t.Errorf("%d notes:\n%s", n, got)
	}
}
