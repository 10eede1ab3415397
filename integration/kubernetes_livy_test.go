package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestKubernetesLivy runs a real Livy server in a pod: a session and a batch through the gateway,
// a Caddy that is killed, an API server that ends, a pod that somebody deletes, and a stop that
// leaves nothing.
func TestKubernetesLivy(t *testing.T) {
	k := startKubernetes(t)
	require.Need(t, require.Image, imageThere(), "image "+image()+" is not there (make image)")
	redis := storetest.StartServer(t)
	k.load(t, image())
	namespace := k.namespace(t, "livy")
	c := newCaddy(t, redis, fmt.Sprintf(`runtime kubernetes {
		kubeconfig %s
		namespace %s
		image_pull_policy Never
		cpu_request 100m
		memory_request 512Mi
		allow 198.18.1.1/32
		usage kubelet
	}
	engine spark-3.5 {
		livy %s
		image %s
	}
	local_dir /opt/spark/examples`, k.kubeconfig, namespace, imageLivy(), image()))
	began := time.Now()
	g := c.newGateway("kube", "--engine", "spark-3.5")
	t.Logf("start to running: %v", time.Since(began).Round(100*time.Millisecond))
	cl := client{t: t, base: c.url(g.ID), token: c.newToken("kube").Token}

	// A pod without rights.
	pod := k.kubectl(t, "get", "pods", "-n", namespace, "-o", `jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.spec.automountServiceAccountToken} {.spec.securityContext.runAsNonRoot} {.spec.securityContext.seccompProfile.type} {.spec.containers[0].securityContext.readOnlyRootFilesystem} {.spec.containers[0].resources.limits.memory}{"\n"}{end}`)
	fields := strings.Fields(pod)
	if len(fields) != 7 || strings.Join(fields[2:], " ") != "false true RuntimeDefault true 4Gi" {
		t.Fatalf("pods:\n%s", pod)
	}
	if policy := k.kubectl(t, "get", "networkpolicy", fields[0], "-n", namespace, "-o", "jsonpath={.spec.ingress[0].from[0].ipBlock.cidr} {.spec.ingress[0].ports[0].port}"); policy != "198.18.1.1/32 8998" {
		t.Errorf("the network policy lets in %q", policy)
	}

	began = time.Now()
	var made struct{ ID int }
	cl.expect(http.StatusCreated, http.MethodPost, "/sessions", map[string]any{"kind": "pyspark", "driverMemory": "512m"}, &made)
	session := made.ID
	state := func(path string) string {
		var s struct{ State string }
		cl.expect(http.StatusOK, http.MethodGet, path, nil, &s)
		return s.State
	}
	eventually(t, 2*time.Minute, "an idle session", func() bool { return state(fmt.Sprintf("/sessions/%d", session)) == "idle" })
	t.Logf("create to idle: %v", time.Since(began).Round(100*time.Millisecond))
	run := func(code, want string) { t.Helper(); cl.statement(t, fmt.Sprintf("/sessions/%d", session), code, want) }
	run("sc.parallelize(range(1000), 2).sum()", "499500")

	// Its session is still there after Caddy was killed, and after the API server was.
	c.kill()
	c.start()
	eventually(t, time.Minute, "the gateways being read", func() bool { return c.show("kube").Status.State == "Running" })
	run("1 + 1", "2")
	k.restartAPI(t)
	run("2 + 2", "4")

	// A pod that somebody deletes is replaced, and the reason is told.
	k.kubectl(t, "delete", "pod", fields[0], "-n", namespace, "--wait=false")
	eventually(t, time.Minute, "the loss being seen", func() bool { return c.show("kube").Status.State != "Running" })
	eventually(t, 2*time.Minute, "another server", func() bool { return c.show("kube").Status.State == "Running" })
	cl.expect(http.StatusCreated, http.MethodPost, "/batches", map[string]any{
		"file": "local:/opt/spark/examples/src/main/python/pi.py", "args": []string{"2"},
	}, &made)
	if state, log := cl.batchDone(made.ID); state != "success" {
		t.Errorf("the batch is %s:\n%s", state, log)
	}
	if log := c.log(); !strings.Contains(log, "the pod was deleted") {
		t.Error("the log does not tell that the pod was deleted")
	}
	if statuses, _ := c.doctor(); statuses["kubernetes rights"] != "ok" || statuses["kubernetes"] != "ok" {
		t.Errorf("the doctor: %v", statuses)
	}

	c.livy("gateway", "stop", "kube", "--wait")
	if left := k.kubectl(t, "get", "pods,configmaps,secrets,services,networkpolicies", "-n", namespace, "-l", "app.kubernetes.io/managed-by=livygateway", "-o", "name"); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
	calls := k.audited(t, namespace)
	if calls["watch pods"] == 0 || calls["watch pods"] > 6 || calls["list pods"] > 8 {
		t.Errorf("calls of the API: %v", calls)
	}
	t.Logf("calls of the API: %v", calls)
}

// restartAPI ends the API server as a crash does, and starts another one.
func (k kubernetes) restartAPI(t testing.TB) {
	t.Helper()
	if out, err := exec.Command(filepath.Join(root, "scripts", "kubernetes-cluster"), "apiserver", k.dir).CombinedOutput(); err != nil {
		t.Fatalf("restarting the API server: %v\n%s", err, out)
	}
	eventually(t, time.Minute, "the API", func() bool {
		return exec.Command(k.program, "kubectl", "--kubeconfig", k.kubeconfig, "get", "--raw", "/readyz").Run() == nil
	})
}

// audited counts what the gateway asked the API server, by verb and resource.
func (k kubernetes) audited(t testing.TB, namespace string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(k.dir, "log", "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	// A watch may not have ended yet.
	stages := map[bool]string{true: "ResponseStarted", false: "ResponseComplete"}
	for line := range strings.Lines(string(text)) {
		var e struct {
			Stage, Verb, UserAgent string
			ObjectRef              struct{ Resource, Namespace, Subresource string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.ObjectRef.Namespace != namespace || e.UserAgent != "livygateway" || e.Stage != stages[e.Verb == "watch"] {
			continue
		}
		calls[strings.TrimSpace(e.Verb+" "+e.ObjectRef.Resource+" "+e.ObjectRef.Subresource)]++
	}
	return calls
}
