package integration

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestGeneratedClient makes a Python client from the document that is served, and
// lives a gateway's life with it: a real Livy, two batches, one of them closed.
func TestGeneratedClient(t *testing.T) {
	python := clientPython(t, require.OpenAPI)
	l := processLive(t)
	jobs := t.TempDir()
	job := func(name, text string) string {
		file := filepath.Join(jobs, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + file
	}
	quick := job("quick.py", "print('done')\n")
	long := job("long.py", "import time\ntime.sleep(600)\n")
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock+"\n\t\tlocal_dir "+jobs)

	res, err := http.Get("http://" + c.admin + "/livy/v1/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	document, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.Status, err)
	}
	file := filepath.Join(c.dir, "openapi.json")
	if err := os.WriteFile(file, document, 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Dir(python)
	run := func(name string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "PYTHONPATH="+c.dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		t.Logf("%s:\n%s", name, out)
	}
	run("openapi-python-client", "generate", "--path", file, "--output-path", filepath.Join(c.dir, "livy_management"), "--meta", "none")
	script, err := filepath.Abs("clients/management.py")
	if err != nil {
		t.Fatal(err)
	}
	run("python", script, "http://"+c.admin+"/livy", "http://"+c.all, quick, long)
}
