package integration

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	domain "github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
	kuberuntime "github.com/livygateway/livygateway/upstream/kubernetes"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

// TestKubernetesConformance: the contract of runtimes is kept on a real cluster.
func TestKubernetesConformance(t *testing.T) {
	k := startKubernetes(t)
	k.loadFakeLivy(t)
	namespace := k.namespace(t, "conformance")
	upstreamtest.Suite(t, upstreamtest.Harness{
		New:    func(t *testing.T) upstream.Runtime { return k.runtime(t, namespace) },
		Engine: domain.Engine{Name: "fake", Image: fakeLivyImage},
		Broken: map[string]domain.Engine{
			"no image":      {Name: "e"},
			"missing image": {Name: "e", Image: "livygateway/livy:0.0.0-nowhere"},
			"bad image":     {Name: "e", Image: "UPPER CASE"},
		},
		Version: "0.8.0", Fake: true, Patience: time.Minute,
	})
	if left := k.kubectl(t, "get", "pods,configmaps,secrets", "-n", namespace, "-l", "app.kubernetes.io/managed-by=livygateway", "-o", "name"); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

func (k kubernetes) runtime(t *testing.T, namespace string) *kuberuntime.Runtime {
	t.Helper()
	r, err := kuberuntime.New(kuberuntime.Options{
		Kubeconfig: k.kubeconfig, Namespace: namespace, PullPolicy: "Never", CPURequest: "50m", MemoryRequest: "64Mi",
		Usage: kuberuntime.UsageKubelet, Grace: time.Second,
	}, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// TestKubernetesQuota: where the quota is used up, the reason names it and nothing is left.
func TestKubernetesQuota(t *testing.T) {
	k := startKubernetes(t)
	k.loadFakeLivy(t)
	namespace := k.namespace(t, "quota")
	k.kubectl(t, "create", "quota", "small", "-n", namespace, "--hard=limits.memory=1Gi")
	r := k.runtime(t, namespace)
	_, err := r.Start(t.Context(), upstream.Launch{
		GatewayID: "lc-quota", CPU: 1, Memory: 4 << 30, Engine: domain.Engine{Name: "fake", Image: fakeLivyImage},
		Files: upstream.RenderConf(upstream.ConfInput{Master: "local[1]"}),
	})
	if domain.KindOf(err) != domain.KindUnavailable || !strings.Contains(err.Error(), "quota of the Kubernetes namespace") {
		t.Errorf("Start: %v; want an error that names the quota", err)
	}
	if left := k.kubectl(t, "get", "pods,secrets", "-n", namespace, "-l", "app.kubernetes.io/managed-by=livygateway", "-o", "name"); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

// TestKubernetesPortForward: servers are reached through the API server, at an address that stays
// when the API server ends and when another process takes over.
func TestKubernetesPortForward(t *testing.T) {
	k := startKubernetes(t)
	k.loadFakeLivy(t)
	namespace := k.namespace(t, "forward")
	forwarding := func() *kuberuntime.Runtime {
		r, err := kuberuntime.New(kuberuntime.Options{
			Kubeconfig: k.kubeconfig, Namespace: namespace, PullPolicy: "Never", CPURequest: "50m", MemoryRequest: "64Mi",
			Usage: kuberuntime.UsageOff, Grace: time.Second, Reach: kuberuntime.ReachPortForward,
		}, zaptest.NewLogger(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
	first := forwarding()
	inst, err := first.Start(t.Context(), fakeLaunch("lc-forward"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(inst.Address, "127.") {
		t.Fatalf("the address is %s", inst.Address)
	}
	answering(t, inst.Address)
	// Many at once.
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() { answering(t, inst.Address) })
	}
	group.Wait()
	k.restartAPI(t)
	began := time.Now()
	answering(t, inst.Address)
	t.Logf("answers %v after another API server", time.Since(began).Round(time.Millisecond))

	second := forwarding()
	if found, ok, err := second.Find(t.Context(), "lc-forward"); err != nil || !ok || found.Address != inst.Address {
		t.Errorf("another process found %+v, %v, %v", found, ok, err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	answering(t, inst.Address)
	if err := second.Stop(t.Context(), "lc-forward", 1); err != nil {
		t.Error(err)
	}
	eventually(t, 10*time.Second, "a free address", func() bool {
		conn, err := net.DialTimeout("tcp", inst.Address, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
}
