package policies

import (
	"slices"
	"testing"
)

func TestInForce(t *testing.T) {
	p, err := Compile(Settings{
		Queue: "root.etl", Identity: "etl",
		Blacklist: blacklist(t, "spark.driver.memory\nspark.ui.*\n"),
		Environment: &Environment{
			Name: "analytics", PyFiles: []string{"/env/a.py"},
			Conf: map[string]string{"spark.ssl.keyPassword": "hidden"},
		},
		Rules: []Rule{
			{Key: "spark.executor.memory", Max: "8g", Action: Lower, Source: "policy.rules:1"},
			{Key: "kind", Allowed: []string{"pyspark"}, Required: true, Source: "policy.rules:2"},
			{Key: "numExecutors", Max: "4", Source: "policy.rules:3"},
		},
		DisabledRoutes: []string{"session.upload.*"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := p.InForce()
	for _, want := range []InForce{
		{Effect: "force", Key: "queue", Value: "root.etl", Source: "gateway queue"},
		{Effect: "force", Key: "proxyUser", Value: "etl", Source: "gateway identity"},
		{Effect: "force", Key: "spark.ssl.keyPassword", Value: "(redacted)", Source: "environment analytics"},
		{Effect: "add", Key: "pyFiles", Value: "/env/a.py", Source: "environment analytics"},
		{Effect: "ignore", Key: "spark.driver.memory", Source: "spark-blacklist.conf:1"},
		{Effect: "ignore", Key: "spark.ui.*", Source: "spark-blacklist.conf:2"},
		{Effect: "max", Key: "spark.executor.memory", Value: "8g", Action: "lower", Source: "policy.rules:1"},
		{Effect: "allow", Key: "kind", Value: "pyspark", Action: "refuse", Source: "policy.rules:2"},
		{Effect: "off", Key: "session.upload.jar", Source: "gateway disabledRoutes"},
		{Effect: "require", Key: "kind", Source: "policy.rules:2"},
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%+v is not in %+v", want, got)
		}
	}
	for _, line := range got {
		if line.Key == "driverMemory" || line.Key == "spark.dynamicAllocation.maxExecutors" {
			t.Errorf("another spelling is listed: %+v", line)
		}
	}
}
