package integration

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	domain "github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/upstream"
	kuberuntime "github.com/livygateway/livygateway/upstream/kubernetes"
)

func fakeLaunch(id string) upstream.Launch {
	return upstream.Launch{
		GatewayID: id, CPU: 1, Memory: 256 << 20, Epoch: 1, Engine: domain.Engine{Name: "fake", Image: fakeLivyImage},
		Files: upstream.RenderConf(upstream.ConfInput{Master: "local[1]"}),
	}
}

// TestKubernetesFailures: whatever ends a pod or keeps it from its start, a person is told the
// reason.
func TestKubernetesFailures(t *testing.T) {
	k := startKubernetes(t)
	k.loadFakeLivy(t)
	namespace := k.namespace(t, "failures")
	for id, tt := range map[string]struct {
		options func(*kuberuntime.Options)
		launch  func(*upstream.Launch)
		// fail does something to a pod that runs.
		fail func(t *testing.T, pod, address string)
		want string
	}{
		"lc-evicted": {
			fail: func(t *testing.T, pod, _ string) { k.evict(t, namespace, pod) },
			want: "the pod was evicted from node node1, which is being drained",
		},
		"lc-hungry": {
			fail: func(t *testing.T, _, address string) {
				// No answer comes, nor the end of the connection if the pod's network goes first.
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/eat", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				if resp, err := http.DefaultClient.Do(req); err == nil {
					_ = resp.Body.Close()
				}
			},
			want: "exit code 137 (out of memory)",
		},
		"lc-no-image": {
			launch: func(l *upstream.Launch) { l.Engine.Image = "localhost/nowhere:1" },
			want:   "image localhost/nowhere:1 cannot be used (ErrImageNeverPull)",
		},
		"lc-no-node": {
			options: func(o *kuberuntime.Options) {
				o.NodeSelector, o.PendingTimeout = map[string]string{"disk": "none-has-this"}, 2*time.Second
			},
			want: "no node takes the pod (Unschedulable): 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector",
		},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			o := kuberuntime.Options{
				Kubeconfig: k.kubeconfig, Namespace: namespace, PullPolicy: "Never", CPURequest: "50m", MemoryRequest: "64Mi",
				Usage: kuberuntime.UsageOff, Grace: time.Second,
			}
			if tt.options != nil {
				tt.options(&o)
			}
			r, err := kuberuntime.New(o, zaptest.NewLogger(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Close() })
			l := fakeLaunch(id)
			if tt.launch != nil {
				tt.launch(&l)
			}
			began := time.Now()
			inst, err := r.Start(t.Context(), l)
			said := fmt.Sprint(err)
			if tt.fail != nil {
				if err != nil {
					t.Fatal(err)
				}
				answering(t, inst.Address)
				tt.fail(t, "livygw-"+id, inst.Address)
			}
			if err == nil {
				said = ended(t, r, id)
			}
			t.Logf("after %v: %s", time.Since(began).Round(100*time.Millisecond), said)
			if !strings.Contains(said, tt.want) {
				t.Errorf("the reason is %q, want %q", said, tt.want)
			}
			if err := r.Stop(t.Context(), id, 1); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { // before that of the namespace, after the tests
		if left := k.kubectl(t, "get", "pods,configmaps,secrets", "-n", namespace, "-l", "app.kubernetes.io/managed-by=livygateway", "-o", "name"); left != "" {
			t.Errorf("left behind:\n%s", left)
		}
	})
}

// TestKubernetesCordonedNode drains the only node of a gateway's server: the gateway tells at once
// what it waits for, and runs again when the node takes pods.
func TestKubernetesCordonedNode(t *testing.T) {
	k := startKubernetes(t)
	redis := storetest.StartServer(t)
	k.loadFakeLivy(t)
	namespace := k.namespace(t, "cordoned")
	c := newCaddy(t, redis, fmt.Sprintf(`runtime kubernetes {
		kubeconfig %s
		namespace %s
		image_pull_policy Never
		cpu_request 50m
		memory_request 64Mi
		allow 198.18.1.1/32
		usage off
	}
	engine fake {
		image %s
	}`, k.kubeconfig, namespace, fakeLivyImage))
	g := c.newGateway("kube", "--engine", "fake")
	uncordon := func() { k.kubectl(t, "uncordon", "node1") }
	t.Cleanup(uncordon) // before the namespace is deleted, whatever happens
	k.kubectl(t, "cordon", "node1")
	k.evict(t, namespace, "livygw-"+g.ID)
	began := time.Now()
	const want = "no node takes the pod (Unschedulable): 0/1 nodes are available: 1 node(s) were unschedulable."
	eventually(t, time.Minute, "the reason", func() bool {
		status := c.show("kube").Status
		return status.State == "Starting" && strings.HasPrefix(status.Reason, want) && strings.Contains(status.Reason, "nodes are cordoned")
	})
	t.Logf("eviction to reason: %v", time.Since(began).Round(100*time.Millisecond))
	if log := c.log(); !strings.Contains(log, "the pod was evicted from node node1, which is being drained") {
		t.Error("the log does not tell of the eviction")
	}
	uncordon()
	began = time.Now()
	eventually(t, time.Minute, "a running gateway", func() bool { return c.show("kube").Status.State == "Running" })
	t.Logf("uncordoned to running: %v", time.Since(began).Round(100*time.Millisecond))
}

// evict does to a pod what kubectl drain does to each pod of a node.
func (k kubernetes) evict(t testing.TB, namespace, pod string) {
	t.Helper()
	eviction := filepath.Join(t.TempDir(), "eviction.json")
	write(t, eviction, fmt.Sprintf(`{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": %q, "namespace": %q}}`, pod, namespace))
	k.kubectl(t, "create", "--raw", "/api/v1/namespaces/"+namespace+"/pods/"+pod+"/eviction", "-f", eviction)
}

// answering waits until a Livy server answers.
func answering(t *testing.T, address string) {
	t.Helper()
	eventually(t, 30*time.Second, "an answer of "+address, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/version", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// ended waits until a server does not run any more, and returns why.
func ended(t *testing.T, r *kuberuntime.Runtime, id string) (why string) {
	t.Helper()
	eventually(t, 30*time.Second, "the end of "+id, func() bool {
		inst, ok, err := r.Find(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		why = inst.Exit
		return ok && !inst.Running
	})
	return why
}

// TestKubernetesManyGateways: what the API server saw of 50 gateways that are looked at again and
// again is one list and one watch.
func TestKubernetesManyGateways(t *testing.T) {
	k := startKubernetes(t)
	namespace := k.namespace(t, "many")
	// Pods that no scheduler takes cost the node nothing. Their status is the test's.
	var pods strings.Builder
	for n := range 50 {
		fmt.Fprintf(&pods, `---
apiVersion: v1
kind: Pod
metadata:
  namespace: %s
  name: livygw-lc-%d
  labels: {livygateway.github.io/instance: default, livygateway.github.io/gateway: lc-%d, livygateway.github.io/number: "1", livygateway.github.io/epoch: "1"}
spec:
  schedulingGates: [{name: example.com/never}]
  containers: [{name: livy, image: %q}]
`, namespace, n, n, fakeLivyImage)
	}
	manifest := filepath.Join(t.TempDir(), "pods.yaml")
	write(t, manifest, pods.String())
	k.kubectl(t, "create", "-f", manifest)
	k.kubectl(t, "patch", "-f", manifest, "--subresource=status", "--type=merge", "-p", `{"status": {
		"phase": "Running", "podIP": "198.18.0.250", "podIPs": [{"ip": "198.18.0.250"}], "containerStatuses": [{
			"name": "livy", "image": "i", "imageID": "i", "ready": true, "restartCount": 0, "started": true,
			"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}}`)
	r := k.runtime(t, namespace)
	for range 20 {
		for n := range 50 {
			id := fmt.Sprintf("lc-%d", n)
			if inst, ok, err := r.Find(t.Context(), id); err != nil || !ok || inst.Address != "198.18.0.250:8998" {
				t.Fatalf("gateway %s: %+v, %v, %v", id, inst, ok, err)
			}
		}
	}
	// A change of one is seen too.
	k.kubectl(t, "delete", "pod", "livygw-lc-7", "-n", namespace)
	if why := ended(t, r, "lc-7"); why != "the pod was deleted" {
		t.Errorf("lc-7 ended: %s", why)
	}
	var calls map[string]int
	eventually(t, 10*time.Second, "the watch in the log of the API server", func() bool {
		calls = k.audited(t, namespace)
		return calls["watch pods"] > 0
	})
	t.Logf("calls of the API: %v", calls)
	if len(calls) != 2 || calls["list pods"] != 1 || calls["watch pods"] != 1 {
		t.Errorf("calls of the API: %v, want one list and one watch", calls)
	}
}
