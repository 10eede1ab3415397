package integration

import (
	"strings"
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
