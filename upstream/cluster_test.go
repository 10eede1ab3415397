package upstream

import (
	"strings"
	"testing"
)

func TestRenderCluster(t *testing.T) {
	in := ConfInput{
		Master: "yarn", DeployMode: "cluster",
	}
	conf := RenderConf(in)[LivyConf]
	if !strings.Contains(conf, "livy.spark.master = yarn\n") || !strings.Contains(conf, "livy.spark.deploy-mode = cluster\n") {
		t.Errorf("livy.conf:\n%s", conf)
	}
	in.Livy = []Entry{{Key: MasterKey, Value: "local"}}
	if err := in.CheckMaster(); err == nil || !strings.Contains(err.Error(), "if the gateway has a cluster") {
		t.Errorf("two masters: %v", err)
	}
}

func TestForcedKeysAreNotBlacklisted(t *testing.T) {
	files := RenderConf(ConfInput{
		Conf:   Conf{Blacklist: []Entry{{Key: "spark.a"}, {Key: "spark.b"}}},
		Forced: func(key string) bool { return key == "spark.a" },
	})
	if got := files[SparkBlacklist]; got != "spark.b\n" {
		t.Errorf("blacklist %q", got)
	}
}
