package policies_test

import (
	"testing"

	"github.com/livygateway/livygateway/policies"
)

func TestForces(t *testing.T) {
	p, err := policies.Compile(policies.Settings{
		Master: "yarn",
		Fusion: &policies.Fusion{Name: "f", Conf: map[string]string{"spark.plugins": "x"}},
		Labels: map[string]string{"gateway": "lc-1"},
		Mounts: &policies.Mounts{Directories: []string{"d"}}, EventLogs: "hdfs:///events",
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{
		"spark.plugins": true, "spark.livygateway.gateway": true, "spark.yarn.tags": true,
		"spark.driver.memoryOverhead": true, "spark.kubernetes.driver.request.cores": true,
		"spark.eventLog.dir": true, "spark.ui.proxyBase": true, "spark.ui.killEnabled": true,
		"spark.executor.memory": false, "spark.jars.ivy": false,
	} {
		if got := p.Forces(key); got != want {
			t.Errorf("Forces(%s) = %v", key, got)
		}
	}
}
