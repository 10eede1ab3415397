package kubeapi

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

// TestFlat: a kubeconfig for elsewhere has what it names, and no other context's credentials.
func TestFlat(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("ca.crt", "the authority")
	kubeconfig := write("config", `{"apiVersion": "v1", "kind": "Config", "current-context": "a",
		"clusters": [{"name": "k", "cluster": {"server": "https://k", "certificate-authority": "ca.crt"}}],
		"users": [{"name": "u", "user": {"token": "mine"}}, {"name": "root", "user": {"token": "secret"}}],
		"contexts": [{"name": "a", "context": {"cluster": "k", "user": "u", "namespace": "jobs"}}, {"name": "b", "context": {"cluster": "k", "user": "root"}}]}`)
	text, err := Flat(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, base64.StdEncoding.EncodeToString([]byte("the authority"))) || !strings.Contains(text, "mine") || strings.Contains(text, "secret") {
		t.Errorf("the kubeconfig is\n%s", text)
	}
	if _, err := Flat(filepath.Join(dir, "none")); gateway.KindOf(err) != gateway.KindInvalid {
		t.Errorf("no file: %v", err)
	}
	text = strings.Replace(text, "certificate-authority-data", "tls-server-name", 1) // it is none
	client, err := Open(Access{Kubeconfig: write("flat", text)})
	if err != nil || client.Namespace != "jobs" || client.Config.Host != "https://k" || client.InCluster {
		t.Errorf("%+v, %v", client, err)
	}
}
