package process

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/livygateway/livygateway/upstream"
)

// TestKubeconfig: it is apart from the directories that Spark copies into the pods of jobs.
func TestKubeconfig(t *testing.T) {
	root := t.TempDir()
	d := dirs{root: filepath.Join(root, "r"), own: filepath.Join(root, "r", "own")}
	d.conf, d.work, d.state = filepath.Join(d.own, "conf"), filepath.Join(d.own, "work"), filepath.Join(d.own, "state")
	l := upstream.Launch{Memory: 4 << 30, Kubeconfig: "the kubeconfig", ClusterFiles: map[string]string{"core-site.xml": "x"}}
	if err := d.prepare(map[string]string{upstream.LivyConf: "x"}, &l, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(d.conf, "kube", "config")
	if text, err := os.ReadFile(path); err != nil || string(text) != l.Kubeconfig {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others can read it: %v, %v", info.Mode(), err)
	}
	if !slices.Contains(environment(l, d, account{}, ""), "KUBECONFIG="+path) {
		t.Error("no KUBECONFIG")
	}
	l.Kubeconfig = ""
	if slices.ContainsFunc(environment(l, d, account{}, ""), func(v string) bool { return len(v) > 10 && v[:10] == "KUBECONFIG" }) {
		t.Error("KUBECONFIG without a kubeconfig")
	}
}
