package kubernetes

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi/kubeapitest"
	"github.com/livygateway/livygateway/upstream"
)

func connectedTo(t *testing.T, server *kubeapitest.Server) *Runtime {
	t.Helper()
	r, err := New(Options{Kubeconfig: server.Kubeconfig, ServiceAccount: "spark", Allow: []string{"app=caddy"}, Grace: time.Second}, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func launchOn(master string) upstream.Launch {
	return upstream.Launch{
		GatewayID: "lc-1", CPU: 1, Memory: 1 << 30, Engine: gateway.Engine{Name: "e", Image: "livy:1"}, Master: master, Epoch: 1,
		Files: upstream.RenderConf(upstream.ConfInput{Master: master}),
	}
}

// runs is what scheduler and kubelet do with a pod.
func runs(pod *corev1.Pod) {
	pod.Spec.NodeName = "n1"
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.7", ContainerStatuses: []corev1.ContainerStatus{{
		Name: container, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
	}}}
}

const master = "k8s://https://kubernetes.default.svc"

// TestPodsOfSpark: only drivers that start pods get a token, and executors reach them but not Livy.
func TestPodsOfSpark(t *testing.T) {
	const kubeconfig = "the kubeconfig"
	for _, tt := range []struct {
		name, master, kubeconfig, namespace string
		token, hostname, executors          bool
	}{
		{name: "beside Livy", master: "local[2]"},
		{name: "on YARN", master: "yarn", hostname: true},
		{name: "in the same cluster", master: master, namespace: "livy", token: true, hostname: true, executors: true},
		{name: "in another cluster", master: master, kubeconfig: kubeconfig, hostname: true, executors: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := kubeapitest.New(t)
			server.Place = runs
			r := connectedTo(t, server)
			l := launchOn(tt.master)
			l.Kubeconfig = tt.kubeconfig
			if _, err := r.Start(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			pod := server.Pod("livy", "livygw-lc-1")
			if got := *pod.Spec.AutomountServiceAccountToken; got != tt.token || pod.Spec.ServiceAccountName != "spark" {
				t.Errorf("token %v of account %s, want %v", got, pod.Spec.ServiceAccountName, tt.token)
			}
			env := map[string]corev1.EnvVar{}
			for _, e := range pod.Spec.Containers[0].Env {
				env[e.Name] = e
			}
			if e, ok := env["SPARK_LOCAL_HOSTNAME"]; ok != tt.hostname || ok && e.ValueFrom.FieldRef.FieldPath != "status.podIP" {
				t.Errorf("SPARK_LOCAL_HOSTNAME %+v, want %v", e, tt.hostname)
			}
			var secret struct{ StringData map[string]string }
			server.Object(t, "/api/v1/namespaces/livy/secrets/livygw-lc-1", &secret)
			if strings.Contains(secret.StringData[upstream.SparkDefaults], "spark.kubernetes.namespace") != (tt.namespace != "") {
				t.Errorf("spark-defaults.conf: %q", secret.StringData[upstream.SparkDefaults])
			}
			if _, ok := env["KUBECONFIG"]; ok != (tt.kubeconfig != "") || secret.StringData["kube.config"] != tt.kubeconfig {
				t.Errorf("KUBECONFIG %v, text %q", ok, secret.StringData["kube.config"])
			}
			if mounted := slices.ContainsFunc(pod.Spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == kubeDir }); mounted != (tt.kubeconfig != "") {
				t.Errorf("kubeconfig mounted: %v", mounted)
			}
			var policy networkingv1.NetworkPolicy
			server.Object(t, "/apis/networking.k8s.io/v1/namespaces/livy/networkpolicies/livygw-lc-1", &policy)
			checkPolicy(t, &policy, tt.executors)
		})
	}
}

func checkPolicy(t *testing.T, policy *networkingv1.NetworkPolicy, executors bool) {
	t.Helper()
	rules := policy.Spec.Ingress
	if len(rules) != 1 && !executors || len(rules) != 2 && executors {
		t.Fatalf("rules %+v", rules)
	}
	if !executors {
		return
	}
	from := rules[1].From[0]
	if from.NamespaceSelector == nil || from.PodSelector.MatchLabels["livygateway/gateway"] != "lc-1" {
		t.Errorf("executors are %+v", from)
	}
	for _, p := range rules[1].Ports {
		if p.Port.IntVal <= livyPort && livyPort <= *p.EndPort {
			t.Errorf("executors reach Livy: %d to %d", p.Port.IntVal, *p.EndPort)
		}
	}
}

func TestQuotaUsedUp(t *testing.T) {
	server := kubeapitest.New(t)
	server.Refuse = func(resource string) string {
		if resource == "pods" {
			return "pods is forbidden: exceeded quota: small, requested: limits.memory=1Gi"
		}
		return ""
	}
	_, err := connectedTo(t, server).Start(t.Context(), launchOn("local[1]"))
	if gateway.KindOf(err) != gateway.KindUnavailable || !strings.Contains(err.Error(), "quota of the Kubernetes namespace has no room") {
		t.Errorf("error %v", err)
	}
}

func TestNoNodeTakesThePod(t *testing.T) {
	server := kubeapitest.New(t)
	server.Place = func(pod *corev1.Pod) {
		pod.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
		pod.Status = inCondition(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable")
	}
	server.Events = []corev1.Event{
		{Type: corev1.EventTypeWarning, Reason: "FailedScheduling", Message: "Insufficient cpu"},
		{Type: corev1.EventTypeWarning, Reason: "FailedScheduling", Message: "0/1 nodes"}, // as the status has it
	}
	_, err := connectedTo(t, server).Start(t.Context(), launchOn("local[1]"))
	for _, want := range []string{"no node takes the pod (Unschedulable): 0/1 nodes", "events: FailedScheduling: Insufficient cpu"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if n := strings.Count(fmt.Sprint(err), "0/1 nodes"); n != 1 {
		t.Errorf("error %v tells of the nodes %d times", err, n)
	}
	if server.Pod("livy", "livygw-lc-1") != nil || len(server.Objects()) > 0 {
		t.Errorf("left: %v", server.Objects())
	}
}

// TestStartOfACordonedNode: what a pod waits for is told at once, and it starts when a node takes it.
func TestStartOfACordonedNode(t *testing.T) {
	server := kubeapitest.New(t)
	server.Place = func(pod *corev1.Pod) {
		pod.CreationTimestamp = metav1.Now()
		pod.Status = inCondition(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable")
	}
	r := connectedTo(t, server)
	began := time.Now()
	inst, err := r.Start(t.Context(), launchOn("local[1]"))
	if err != nil || !inst.Running || inst.Waits != "no node takes the pod (Unschedulable): 0/1 nodes" || time.Since(began) > startPatience/2 {
		t.Errorf("after %v: %+v, %v", time.Since(began), inst, err)
	}
	pod := server.Pod("livy", "livygw-lc-1")
	runs(pod)
	server.Put(pod)
	for inst.Waits != "" {
		if inst, _, err = r.Find(t.Context(), "lc-1"); err != nil || !inst.Running {
			t.Fatalf("%+v, %v", inst, err)
		}
	}
	if inst.Address == "" {
		t.Errorf("it runs without an address: %+v", inst)
	}
}

// TestNodeGone: the reason is told, and a stop removes the pod that the node does not confirm.
func TestNodeGone(t *testing.T) {
	server := kubeapitest.New(t)
	server.Place = runs
	r := connectedTo(t, server)
	r.confirming = 0
	if _, err := r.Start(t.Context(), launchOn("local[1]")); err != nil {
		t.Fatal(err)
	}
	pod := server.Pod("livy", "livygw-lc-1")
	pod.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	pod.Status.Conditions = inCondition(corev1.DisruptionTarget, corev1.ConditionTrue, "DeletionByTaintManager").Conditions
	server.NodeGone = true
	server.Put(pod)
	for {
		inst, ok, err := r.Find(t.Context(), "lc-1")
		if err != nil || !ok {
			t.Fatalf("%v, %v", ok, err)
		}
		if !inst.Running {
			if !strings.Contains(inst.Exit, "node n1 does not answer") {
				t.Errorf("exit %q", inst.Exit)
			}
			break
		}
	}
	if err := r.Stop(t.Context(), "lc-1", 1); err != nil {
		t.Fatal(err)
	}
	if server.Pod("livy", "livygw-lc-1") != nil || len(server.Objects()) > 0 {
		t.Errorf("left: %v", server.Objects())
	}
}

// TestOneWatchForAll: looking at 50 gateways makes no call for each.
func TestOneWatchForAll(t *testing.T) {
	server := kubeapitest.New(t)
	r := connectedTo(t, server)
	for n := range 50 {
		l := launchOn("local[1]")
		l.GatewayID = fmt.Sprintf("lc-%d", n)
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "livy", Name: podName(l.GatewayID), Labels: r.labels(&l)}}
		runs(pod)
		server.Put(pod)
	}
	for range 20 {
		for n := range 50 {
			inst, ok, err := r.Find(t.Context(), fmt.Sprintf("lc-%d", n))
			if err != nil || !ok || inst.Address != "10.0.0.7:8998" {
				t.Fatalf("%+v, %v, %v", inst, ok, err)
			}
		}
	}
	host, err := r.DriverHost(t.Context(), "lc-7")
	if err != nil || host != "10.0.0.7" {
		t.Errorf("drivers at %q, %v", host, err)
	}
	if lists, watches, gets := server.Calls("list pods"), server.Calls("watch pods"), server.Calls("get"); lists != 1 || watches > 1 || gets != 0 {
		t.Errorf("%d lists, %d watches, %d others", lists, watches, gets)
	}
}
