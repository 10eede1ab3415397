package gateway_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestParseWarm(t *testing.T) {
	const text = "pyspark 2 driver_memory=2g driver_cores=1 jars=file:/a.jar,file:/b.jar heartbeat_timeout=60 spark.sql.x=1 max_age=30m"
	w, err := gateway.ParseWarm(text)
	want := gateway.Warm{
		Kind: "pyspark", Count: 2, MaxAge: "30m", DriverMemory: "2g", DriverCores: 1, Jars: []string{"file:/a.jar", "file:/b.jar"},
		HeartbeatTimeoutInSecond: 60, Conf: map[string]string{"spark.sql.x": "1"},
	}
	if err != nil || !reflect.DeepEqual(w, want) {
		t.Errorf("%+v, %v", w, err)
	}
	if got := w.String(); got != text {
		t.Errorf("written as %s", got)
	}
	w.Conf["spark.hadoop.fs.s3a.secret.key"] = "hush"
	if got := w.String(); strings.Contains(got, "hush") {
		t.Errorf("a secret is shown: %s", got)
	}
	for bad, want := range map[string]string{
		"":                        "must be a kind and a number",
		"pyspark two":             "must be the number of sessions",
		"pyspark 1 2":             "must be a kind and a number",
		"pyspark speed=1":         "is unknown; known options: conf, archives, driver_cores",
		"pyspark driver_cores=xy": "must be a whole number",
	} {
		if _, err := gateway.ParseWarm(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", bad, err, want)
		}
	}
}

func TestValidateWarm(t *testing.T) {
	for want, shapes := range map[string][]gateway.Warm{
		"":                              {{Kind: "spark", Count: 1}, {Kind: "sql", Count: 2, MaxAge: "90m"}, {Kind: "auto", Count: 2, MaxAge: "30m"}},
		"warm.kind: must be one of":     {{Kind: "python", Count: 1}},
		"warm.count: must be from 1":    {{Kind: "spark"}},
		"warm: must be at most 20":      {{Kind: "spark", Count: 15}, {Kind: "sql", Count: 15}},
		"warm.maxAge: must be from 1m ": {{Kind: "spark", Count: 1, MaxAge: "1s"}},
		"warm: must be given once":      {{Kind: "auto", Count: 1}, {Kind: "auto", Count: 1}},
		"warm: takes a number and max_": {{Kind: "auto", Count: 1, DriverMemory: "2g"}},
	} {
		s := gateway.Spec{Name: "etl", Warm: shapes}
		catalog := &gateway.Catalog{Engines: []gateway.Engine{{Name: "e"}}}
		full := s.WithDefaults(catalog)
		err := full.Validate(catalog)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: %v, want %q", shapes, err, want)
		}
	}
}
