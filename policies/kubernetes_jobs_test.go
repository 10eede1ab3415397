package policies

import (
	"bytes"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
)

func TestJobLabels(t *testing.T) {
	for _, c := range []struct {
		master, record, token string
		want                  map[string]string
	}{
		{"k8s://https://k", "livy-abc", "tk-1", map[string]string{
			"spark.kubernetes.driver.label.livygateway/record": "livy-abc", "spark.kubernetes.executor.label.livygateway/record": "livy-abc",
			"spark.kubernetes.driver.label.livygateway/token": "tk-1", "spark.kubernetes.executor.label.livygateway/token": "tk-1",
		}},
		{"k8s://https://k", "livy-abc", "", map[string]string{
			"spark.kubernetes.driver.label.livygateway/record": "livy-abc", "spark.kubernetes.executor.label.livygateway/record": "livy-abc",
		}},
		{"yarn", "livy-abc", "tk-1", map[string]string{}},
	} {
		p, err := Compile(Settings{Master: c.master})
		if err != nil {
			t.Fatal(err)
		}
		got := p.JobLabels(c.record, c.token)
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.master, got, c.want)
		}
		for key, value := range c.want {
			if got[key] != value || !p.Forces(key) {
				t.Errorf("%s: %s is %q (forced: %v), want %q", c.master, key, got[key], p.Forces(key), value)
			}
		}
	}
}

// TestClusterConf: the cluster's settings win over clients, and a gateway's queue over the
// cluster's namespace.
func TestClusterConf(t *testing.T) {
	cluster := &Cluster{Name: "lake", Conf: map[string]string{
		"spark.kubernetes.namespace": "jobs", "spark.kubernetes.container.image": "spark:3.5",
	}}
	for queue, namespace := range map[string]string{"": "jobs", "team-a": "team-a"} {
		p, err := Compile(Settings{Master: "k8s://https://k", Cluster: cluster, Queue: queue})
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Create(livy.KindBatch, "", "", bytes.NewBufferString(
			`{"file":"hdfs:///a.py","conf":{"spark.kubernetes.container.image":"evil","spark.kubernetes.driver.container.image":"evil"}}`))
		if err != nil {
			t.Fatal(err)
		}
		got := string(r.Body)
		if strings.Contains(got, "evil") || !strings.Contains(got, `"spark.kubernetes.container.image":"spark:3.5"`) ||
			!strings.Contains(got, `"spark.kubernetes.namespace":"`+namespace+`"`) {
			t.Errorf("queue %q: sent %s", queue, got)
		}
	}
	if len(cluster.Conf) != 2 {
		t.Errorf("the catalog was changed: %v", cluster.Conf)
	}
}
