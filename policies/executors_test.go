package policies_test

import (
	"math"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

// TestMostExecutors checks how many executors a job may have, by the request and
// spark-defaults.conf.
func TestMostExecutors(t *testing.T) {
	const enabled, most = "spark.dynamicAllocation.enabled", "spark.dynamicAllocation.maxExecutors"
	on := map[string]string{enabled: "true", most: "20"}
	for name, tt := range map[string]struct {
		defaults map[string]string
		body     string
		want     int
	}{
		"a number":                   {nil, `{"file":"s3a://b/a.py","numExecutors":3}`, 3},
		"as Spark does":              {nil, `{"file":"s3a://b/a.py"}`, 2},
		"by the request":             {nil, `{"file":"s3a://b/a.py","conf":{"` + enabled + `":"true","` + most + `":"7"}}`, 7},
		"without an end":             {nil, `{"file":"s3a://b/a.py","conf":{"` + enabled + `":" TRUE "}}`, math.MaxInt32},
		"by default":                 {on, `{"file":"s3a://b/a.py"}`, 20},
		"more at first":              {on, `{"file":"s3a://b/a.py","numExecutors":30}`, 30},
		"less than the default":      {on, `{"file":"s3a://b/a.py","conf":{"` + most + `":"5"}}`, 5},
		"not for this one":           {on, `{"file":"s3a://b/a.py","numExecutors":3,"conf":{"` + enabled + `":"false"}}`, 3},
		"without an end, by default": {map[string]string{enabled: "true"}, `{"file":"s3a://b/a.py"}`, math.MaxInt32},
		"executors by default":       {map[string]string{"spark.executor.instances": "9"}, `{"file":"s3a://b/a.py"}`, 9},
	} {
		p, err := policies.Compile(policies.Settings{Master: "yarn", SparkDefaults: tt.defaults})
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Create(livy.KindBatch, "", "application/json", strings.NewReader(tt.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := r.Effective.MostExecutors; got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}
