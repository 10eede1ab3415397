package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// chartValues are those of the chart for a cluster of one small node.
const chartValues = `
replicas: 1
image: {repository: localhost/livygateway, tag: test, pullPolicy: Never}
redis: {secret: redis}
usage: "off"
jobNamespaces: [JOBS]
runtime: |
  image_pull_policy Never
  cpu_request 100m
  memory_request 512Mi
livy: |
  engine spark-3.5 {
    livy LIVY
    image IMAGE
  }
  cluster pods {
    master k8s://https://kubernetes.default.svc
    conf spark.kubernetes.namespace JOBS
    conf spark.kubernetes.container.image.pullPolicy Never
    conf spark.kubernetes.authenticate.driver.serviceAccountName spark
    conf spark.kubernetes.driver.request.cores 100m
    conf spark.kubernetes.executor.request.cores 100m
    conf spark.kubernetes.allocation.batch.delay 1s
  }
  local_dir /opt/spark/examples
`

// loadGateway adds an image with the gateway that the other tests run, and the libraries that it is
// linked with. docker/Dockerfile.gateway, which needs other machines, makes the image for users.
func (k kubernetes) loadGateway(t *testing.T) {
	t.Helper()
	dir, tag := t.TempDir(), "localhost/livygateway:test"
	files := []string{binary(t)}
	// A static program has none, which ldd reports as a failure.
	libraries, _ := exec.Command("ldd", binary(t)).Output()
	for word := range strings.FieldsSeq(string(libraries)) {
		if filepath.IsAbs(word) {
			files = append(files, word)
		}
	}
	text := "FROM scratch\nENV PATH=/usr/local/bin XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config GODEBUG=netdns=go\nENTRYPOINT [\"caddy\"]\n"
	for i, file := range files {
		to := file
		if i == 0 {
			to = "/usr/local/bin/caddy"
		}
		name := fmt.Sprint(i)
		if out, err := exec.Command("cp", "-L", file, filepath.Join(dir, name)).CombinedOutput(); err != nil {
			t.Fatalf("copying %s: %v\n%s", file, err, out)
		}
		text += "COPY " + name + " " + to + "\n"
	}
	write(t, filepath.Join(dir, "Dockerfile"), text)
	if out, err := exec.Command("docker", "build", "-q", "-t", tag, dir).CombinedOutput(); err != nil {
		t.Fatalf("building the image: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = docker("rmi", tag) })
	k.load(t, tag)
}

// TestKubernetesChart: what the chart makes serves a job from end to end, with the rights that the
// chart gives.
func TestKubernetesChart(t *testing.T) {
	k := startKubernetes(t)
	require.Need(t, require.Image, imageThere(), "image "+image()+" is not there (make image)")
	k.load(t, image())
	k.loadGateway(t)
	namespace, jobs := k.namespace(t, "chart"), k.namespace(t, "jobs")
	redis := storetest.StartServer(t, "--bind", "127.0.0.1", "198.18.1.1", "--protected-mode", "no")
	_, port, _ := strings.Cut(redis.Addr(), ":")
	k.kubectl(t, "create", "secret", "generic", "redis", "-n", namespace, "--from-literal=url=redis://198.18.1.1:"+port+"/0")

	values := strings.NewReplacer("LIVY", imageLivy(), "IMAGE", image(), "JOBS", jobs).Replace(chartValues)
	render := exec.Command("go", "run", "./render", "../livy-gateway", namespace)
	render.Dir, render.Stdin = filepath.Join(root, "deploy", "helm", "check"), strings.NewReader(values)
	var said bytes.Buffer
	render.Stderr = &said
	objects, err := render.Output()
	if err != nil {
		t.Fatalf("rendering the chart: %v\n%s", err, said.String())
	}
	// As helm does, objects that name no namespace go to that of the release.
	manifests := map[string]string{}
	for document := range strings.SplitSeq(string(objects), "\n---\n") {
		in := namespace
		if strings.Contains(document+"\n", "\n  namespace: "+jobs+"\n") {
			in = jobs
		}
		manifests[in] += document + "\n---\n"
	}
	for in, text := range manifests {
		manifest := filepath.Join(t.TempDir(), "chart.yaml")
		write(t, manifest, text)
		k.kubectl(t, "apply", "-n", in, "-f", manifest)
	}
	k.kubectl(t, "rollout", "status", "-n", namespace, "deploy/livy-livy-gateway", "--timeout=120s")

	inside := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(k.program, append([]string{
			"kubectl", "--kubeconfig", k.kubeconfig, "exec", "-n", namespace, "deploy/livy-livy-gateway", "--", "caddy", "livy",
		}, args...)...)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil && args[0] != "doctor" { // which fails for other things too
			t.Fatalf("caddy livy %s: %v\n%s%s", strings.Join(args, " "), err, out, said.String())
		}
		return string(out)
	}
	if doctor := inside("doctor", "--json"); strings.Contains(doctor, "missing in namespace") || !strings.Contains(doctor, "kubernetes rights") {
		t.Errorf("the doctor:\n%s", doctor)
	}
	var g gateway
	var tok token
	for _, made := range []struct {
		into any
		args []string
	}{
		{&g, []string{"gateway", "create", "kube", "--engine", "spark-3.5", "--cluster", "pods", "--start", "--wait", "--json"}},
		{&tok, []string{"token", "create", "--gateway", "kube", "--json"}},
	} {
		if out := inside(made.args...); json.Unmarshal([]byte(out), made.into) != nil {
			t.Fatalf("caddy livy %s printed no JSON:\n%s", strings.Join(made.args, " "), out)
		}
	}
	address := k.kubectl(t, "get", "pods", "-n", namespace, "-l", "app.kubernetes.io/name=livygateway", "-o", "jsonpath={.items[0].status.podIP}")
	cl := client{t: t, base: "http://" + address + ":8998/api/v1/workspace/default/livycompute/" + g.ID, token: tok.Token}
	var made struct{ ID int }
	cl.expect(http.StatusCreated, http.MethodPost, "/batches", map[string]any{
		"file": "local:/opt/spark/examples/src/main/python/pi.py", "args": []string{"2"},
		"driverMemory": "512m", "executorMemory": "512m", "executorCores": 1, "numExecutors": 1,
	}, &made)
	if state, log := cl.batchDoneWithin(5*time.Minute, made.ID); state != "success" {
		t.Errorf("the batch is %s:\n%s", state, log)
	}
	if drivers := k.kubectl(t, "get", "pods", "-n", jobs, "-l", "spark-role=driver", "-o", "jsonpath={.items[*].status.phase}"); drivers != "Succeeded" {
		t.Errorf("the drivers in the namespace of jobs are %q", drivers)
	}
}
