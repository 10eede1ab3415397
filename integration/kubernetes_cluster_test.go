package integration

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

// kubernetes is a cluster of one node. LIVYGW_KUBERNETES_CLUSTER names the folder of one that
// runs already; otherwise the first test that needs one starts it, and it ends with the process.
type kubernetes struct {
	dir        string
	kubeconfig string
	program    string
}

var theKubernetes struct {
	sync.Mutex
	kubernetes
	ours   bool
	failed error
	images map[string]bool
}

func TestMain(m *testing.M) {
	code := m.Run()
	if k := &theKubernetes; k.ours {
		if out, err := exec.Command(filepath.Join(root, "scripts", "kubernetes-cluster"), "down", k.dir).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "ending the cluster: %v\n%s", err, out)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// startKubernetes returns the cluster that all tests share.
func startKubernetes(t testing.TB) kubernetes {
	t.Helper()
	out, err := exec.Command(filepath.Join(root, "scripts", "prepare-kubernetes"), "--where").Output()
	program := filepath.Join(strings.TrimSpace(string(out)), "cluster")
	if err == nil {
		_, err = os.Stat(program)
	}
	require.Need(t, require.Kubernetes, err == nil && os.Geteuid() == 0, "not prepared (make kubernetes), or not root")
	k := &theKubernetes
	k.Lock()
	defer k.Unlock()
	if k.dir == "" {
		k.program, k.images, k.dir = program, map[string]bool{}, os.Getenv("LIVYGW_KUBERNETES_CLUSTER")
		if k.dir == "" {
			k.dir, k.failed = os.MkdirTemp("", "livygw-kubernetes")
			if k.failed == nil {
				k.ours = true
				if out, err := exec.Command(filepath.Join(root, "scripts", "kubernetes-cluster"), "up", k.dir).CombinedOutput(); err != nil {
					k.failed = fmt.Errorf("starting a cluster: %w\n%s", err, out)
				}
			}
		}
		k.kubeconfig = filepath.Join(k.dir, "kubeconfig", "admin")
	}
	if k.failed != nil {
		t.Fatal(k.failed)
	}
	return k.kubernetes
}

// kubectl runs kubectl and returns its output.
func (k kubernetes) kubectl(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(k.program, append([]string{"kubectl", "--kubeconfig", k.kubeconfig}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, said.String())
	}
	return string(out)
}

// apply applies a manifest.
func (k kubernetes) apply(t testing.TB, manifest string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manifest.yaml")
	write(t, path, manifest)
	k.kubectl(t, "apply", "-f", path)
}

// namespace makes a namespace that ends with the test.
func (k kubernetes) namespace(t testing.TB, name string) string {
	t.Helper()
	name = fmt.Sprintf("%s-%d", name, os.Getpid())
	k.kubectl(t, "create", "namespace", name)
	t.Cleanup(func() { k.kubectl(t, "delete", "namespace", name, "--wait=false") })
	return name
}

// load adds an image of the Docker engine to the node, once.
func (k kubernetes) load(t testing.TB, image string) {
	t.Helper()
	theKubernetes.Lock()
	defer theKubernetes.Unlock()
	if theKubernetes.images[image] {
		return
	}
	// Images are big: this one is not written to a file.
	pipe := exec.Command("bash", "-c", `set -o pipefail; docker save "$1" | "$2" import "$3" -`, "load", image,
		filepath.Join(root, "scripts", "kubernetes-cluster"), k.dir)
	if out, err := pipe.CombinedOutput(); err != nil {
		t.Fatalf("importing %s: %v\n%s", image, err, out)
	}
	theKubernetes.images[image] = true
}

func (k kubernetes) loadOnce(t testing.TB, image string, save func() string) {
	t.Helper()
	theKubernetes.Lock()
	defer theKubernetes.Unlock()
	if theKubernetes.images[image] {
		return
	}
	if out, err := exec.Command(filepath.Join(root, "scripts", "kubernetes-cluster"), "import", k.dir, save()).CombinedOutput(); err != nil {
		t.Fatalf("importing %s: %v\n%s", image, err, out)
	}
	theKubernetes.images[image] = true
}

const fakeLivyImage = "localhost/fakelivy:1"

// loadFakeLivy adds an image with nothing in it but fakelivy.
func (k kubernetes) loadFakeLivy(t testing.TB) {
	t.Helper()
	binary := upstreamtest.FakeLivy(t)
	k.loadOnce(t, fakeLivyImage, func() string { return fakeLivyArchive(t, binary) })
}

// fakeLivyArchive writes an image as docker save does.
func fakeLivyArchive(t testing.TB, binary []byte) string {
	t.Helper()
	layer := tarball(t, tar.Header{Name: "livy-server", Mode: 0o755}, binary,
		&tar.Header{Name: "bin/tar", Typeflag: tar.TypeSymlink, Linkname: "/livy-server", Mode: 0o777})
	sum := sha256.Sum256(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/livy-server"}, "Env": []string{"PATH=/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := map[string][]byte{
		"layer.tar": layer, "config.json": config,
		"manifest.json": []byte(`[{"Config":"config.json","RepoTags":["` + fakeLivyImage + `"],"Layers":["layer.tar"]}]`),
	}
	var image bytes.Buffer
	w := tar.NewWriter(&image)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "fakelivy.tar")
	if err := os.WriteFile(path, image.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func tarball(t testing.TB, h tar.Header, content []byte, links ...*tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	h.Size = int64(len(content))
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if err := w.WriteHeader(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
