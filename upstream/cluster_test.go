package upstream

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestRenderCluster(t *testing.T) {
	in := ConfInput{
		Spec: gateway.Spec{CPU: 2}, Engine: gateway.Engine{Master: "local[7]"},
		Cluster: gateway.Cluster{Name: "lake", Master: "yarn", DeployMode: "cluster"},
	}
	conf := render(t, in)[LivyConf]
	if !strings.Contains(conf, "livy.spark.master = yarn\n") || !strings.Contains(conf, "livy.spark.deploy-mode = cluster\n") || strings.Contains(conf, "local[7]") {
		t.Errorf("livy.conf:\n%s", conf)
	}
	in.Spec.LivyConf = "livy.spark.master local"
	if _, err := RenderConf(in); err == nil || !strings.Contains(err.Error(), "names a cluster") {
		t.Errorf("two masters: %v", err)
	}
}

func TestForcedKeysAreNotBlacklisted(t *testing.T) {
	files := render(t, ConfInput{
		Spec:   gateway.Spec{SparkBlacklist: "spark.a\nspark.b\n"},
		Forced: func(key string) bool { return key == "spark.a" },
	})
	if got := files[SparkBlacklist]; got != "spark.b\n" {
		t.Errorf("blacklist %q", got)
	}
}
