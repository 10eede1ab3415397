package kubernetes

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/upstream"
)

func launch() *upstream.Launch {
	return &upstream.Launch{
		GatewayID: "lc-1", Name: "etl", CPU: 1, Memory: 4 << 30, Engine: gateway.Engine{Name: "spark", Image: "i:1"}, Epoch: 1,
		Files: map[string]string{
			upstream.LivyConf: "livy.a = hunter2-livy\n", upstream.SparkDefaults: "spark.a hunter2-spark\n",
			upstream.LivyClientConf: "livy.rsc.a = hunter2-client\n", upstream.Log4j: "a=hunter2-log4j\n", upstream.SparkBlacklist: "spark.ui.*\n",
		},
		ClusterFiles: map[string]string{"core-site.xml": "hunter2-site"},
		Env:          map[string]string{"PASSWORD": "hunter2-env"},
	}
}

func encode(t *testing.T, object any) string {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSecretsAreInTheSecretAlone: what may be a password is in no other object.
func TestSecretsAreInTheSecretAlone(t *testing.T) {
	r, err := New(Options{Reach: ReachService, Allow: []string{"10.0.0.0/8"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := launch()
	pod := r.pod(new(kubeapi.Client), l)
	objects, err := r.objects(new(kubeapi.Client), l, pod)
	if err != nil {
		t.Fatal(err)
	}
	if text := encode(t, pod); strings.Contains(text, "hunter2") {
		t.Errorf("the pod has passwords: %s", text)
	}
	secrets := 0
	for _, o := range objects {
		text := encode(t, o.object)
		if o.resource != "secrets" {
			if strings.Contains(text, "hunter2") {
				t.Errorf("%s has passwords: %s", o.resource, text)
			}
			continue
		}
		secrets++
		for _, part := range []string{"livy", "spark", "client", "log4j", "site", "env"} {
			if !strings.Contains(text, "hunter2-"+part) {
				t.Errorf("the Secret has no hunter2-%s: %s", part, text)
			}
		}
	}
	if secrets != 1 || len(objects) != 4 {
		t.Errorf("%d objects, %d of them Secrets; want 4 and 1", len(objects), secrets)
	}
}

// TestPodIsRestricted: all containers meet the Pod Security Standard "restricted", and only a
// server that starts pods itself has a token.
func TestPodIsRestricted(t *testing.T) {
	r, err := New(Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for master, token := range map[string]bool{"local[*]": false, "yarn": false, "k8s://https://k": true} {
		l := launch()
		l.Master, l.Archives = master, make([]upstream.Archive, 1)
		pod := r.pod(new(kubeapi.Client), l)
		s := pod.Spec
		if *s.AutomountServiceAccountToken != token {
			t.Errorf("%s: the pod has a token: %v, want %v", master, !token, token)
		}
		if !*s.SecurityContext.RunAsNonRoot || s.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault ||
			s.HostNetwork || s.HostPID || s.HostIPC {
			t.Errorf("%s: %+v", master, s.SecurityContext)
		}
		containers := slices.Concat(s.InitContainers, s.Containers)
		if len(containers) != 2 {
			t.Errorf("%s: %d containers, want 2", master, len(containers))
		}
		for _, c := range containers {
			x := c.SecurityContext
			if *x.AllowPrivilegeEscalation || !*x.ReadOnlyRootFilesystem || x.Privileged != nil ||
				len(x.Capabilities.Drop) != 1 || x.Capabilities.Drop[0] != "ALL" || len(x.Capabilities.Add) != 0 {
				t.Errorf("%s: container %s: %+v", master, c.Name, x)
			}
		}
		for _, v := range s.Volumes {
			if v.HostPath != nil {
				t.Errorf("%s: volume %s is a directory of the node", master, v.Name)
			}
		}
	}
}

// TestWhoMayConnect: pods of other namespaces may only by a label that the operator named.
func TestWhoMayConnect(t *testing.T) {
	for _, tt := range []struct {
		name  string
		api   kubeapi.Client
		allow []string
		want  string // the first peer as JSON; empty: no policy
	}{
		{"outside of the cluster", kubeapi.Client{}, nil, ""},
		{"in the cluster", kubeapi.Client{InCluster: true, Own: "gw"}, nil, `{"podSelector":{"matchLabels":{"app.kubernetes.io/name":"livygateway"}},` +
			`"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"gw"}}}`},
		{"a label", kubeapi.Client{InCluster: true, Own: "gw"}, []string{"a=b"}, `{"podSelector":{"matchLabels":{"a":"b"}},"namespaceSelector":{}}`},
		{"a network", kubeapi.Client{}, []string{"10.0.0.0/8"}, `{"ipBlock":{"cidr":"10.0.0.0/8"}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := New(Options{Allow: tt.allow}, nil)
			if err != nil {
				t.Fatal(err)
			}
			policy := r.policy(&tt.api, launch())
			if policy == nil || tt.want == "" {
				if policy != nil || tt.want != "" {
					t.Errorf("policy %v, want %q", policy, tt.want)
				}
				return
			}
			rule := policy.Spec.Ingress[0]
			if got := encode(t, rule.From[0]); got != tt.want || len(rule.From) != 1 || len(rule.Ports) != 2 {
				t.Errorf("from %s with %d ports, want %s", got, len(rule.Ports), tt.want)
			}
			if _, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector); err != nil || len(policy.Spec.PodSelector.MatchLabels) != 3 {
				t.Errorf("for pods %v", policy.Spec.PodSelector)
			}
		})
	}
}

// TestExecutorsReachDrivers: pods of jobs reach the ports of drivers, but nothing without a login.
func TestExecutorsReachDrivers(t *testing.T) {
	r, err := New(Options{Allow: []string{"10.0.0.0/8"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := launch()
	if rules := r.policy(new(kubeapi.Client), l).Spec.Ingress; len(rules) != 1 {
		t.Errorf("without Kubernetes: %d rules, want 1", len(rules))
	}
	l.Master = "k8s://https://k"
	rules := r.policy(new(kubeapi.Client), l).Spec.Ingress
	if len(rules) != 2 {
		t.Fatalf("%d rules, want 2", len(rules))
	}
	const want = `[{"podSelector":{"matchLabels":{"livygateway/gateway":"lc-1"}},"namespaceSelector":{}}]`
	if got := encode(t, rules[1].From); got != want {
		t.Errorf("from %s, want %s", got, want)
	}
	for _, tt := range []struct {
		port int32
		want bool
	}{
		{22, false}, {4040, false}, {4140, false}, {7078, true}, {livyPort, false}, {10000, true}, {10090, false}, {32768, true}, {65535, true},
	} {
		open := slices.ContainsFunc(rules[1].Ports, func(p networkingv1.NetworkPolicyPort) bool {
			return p.Port.IntVal <= tt.port && tt.port <= *p.EndPort
		})
		if open != tt.want {
			t.Errorf("port %d open: %v, want %v", tt.port, open, tt.want)
		}
	}
}
