package upstream

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
)

// TestDeployModesOnKubernetes: sessions run in another mode than batches, unless somebody chose
// one for both.
func TestDeployModesOnKubernetes(t *testing.T) {
	for _, tt := range []struct {
		name, sessions, batches string
		in                      ConfInput
	}{
		{"Kubernetes", "client", "cluster", ConfInput{Master: "k8s://https://k"}},
		{"a mode of the cluster's", "", "", ConfInput{Master: "k8s://https://k", DeployMode: "client"}},
		{"a mode in livy.conf", "", "", ConfInput{Master: "k8s://https://k", Conf: Conf{Livy: []Entry{{Key: DeployModeKey, Value: "client"}}}}},
		{"a mode in spark-defaults.conf", "client", "client", ConfInput{
			Master: "k8s://https://k", Conf: Conf{Spark: []Entry{{Key: deployModeKey, Value: "client"}}},
		}},
		{"YARN", "", "", ConfInput{Master: "yarn"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := RenderConf(tt.in)
			for file, want := range map[string]string{LivyClientConf: tt.sessions, SparkDefaults: tt.batches} {
				entries, err := livy.ParseProperties(files[file])
				if err != nil {
					t.Fatal(err)
				}
				if got := Lookup(entries, deployModeKey); got != want {
					t.Errorf("%s has mode %q, want %q", file, got, want)
				}
			}
			if strings.Contains(files[LivyConf], DeployModeKey) != (tt.in.DeployMode != "" || len(tt.in.Livy) > 0) {
				t.Errorf("livy.conf: %s", files[LivyConf])
			}
		})
	}
}

func TestDriverHost(t *testing.T) {
	files := RenderConf(ConfInput{Master: "k8s://https://k", DriverHost: "10.0.0.5"})
	client, err := livy.ParseProperties(files[LivyClientConf])
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"spark.driver.host": "10.0.0.5", "spark.driver.bindAddress": "0.0.0.0",
	} {
		if got := Lookup(client, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
		if strings.Contains(files[SparkDefaults], key) {
			t.Errorf("batches have %s too", key)
		}
	}
}

// TestNamespaceIsADefault: what somebody set wins, being the later one.
func TestNamespaceIsADefault(t *testing.T) {
	const key = "spark.kubernetes.namespace"
	for _, tt := range []struct {
		set  []Entry
		want string
	}{{nil, "livy"}, {[]Entry{{Key: key, Value: "jobs"}}, "jobs"}} {
		files := WithNamespace(RenderConf(ConfInput{Master: "k8s://https://k", Conf: Conf{Spark: tt.set}}), "livy")
		entries, err := livy.ParseProperties(files[SparkDefaults])
		if err != nil {
			t.Fatal(err)
		}
		if got := Lookup(entries, key); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.set, got, tt.want)
		}
	}
}
