// Package check renders the Helm chart and holds its objects against the API's own types.
package check

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const chart = "../livy-gateway"

var tests = []struct {
	name, values string
	// objects are kinds and how many of them are made.
	objects map[string]int
	// failure is part of the error, if there is one.
	failure string
}{
	{"defaults", "", nil, "set redis.secret"},
	{"a trial", "redis: {trial: {enabled: true}}", map[string]int{"Deployment": 2, "Service": 2, "NetworkPolicy": 1, "Role": 1, "ServiceAccount": 2, "PodDisruptionBudget": 1}, ""},
	{"a Redis by its URL", "redis: {secret: redis}", map[string]int{"Deployment": 1, "Service": 1, "Role": 1, "RoleBinding": 1, "ConfigMap": 1}, ""},
	{"everything", `
replicas: 3
redis: {secret: redis}
pullSecrets: [registry]
runtime: |
  namespace jobs
ingress: {enabled: true, className: nginx, tlsSecret: tls, annotations: {a: b}}
service: {type: LoadBalancer, annotations: {a: b}}
jobNamespaces: [jobs, team-a]
serviceMonitor: {enabled: true}
nodeSelector: {pool: gateways}
tolerations: [{key: a, operator: Exists}]
env: [{name: A, value: b}]
`, map[string]int{"Deployment": 1, "Ingress": 1, "ServiceMonitor": 1, "Role": 5, "RoleBinding": 5, "ServiceAccount": 4}, ""},
	{"jobs beside the gateway", "{redis: {secret: redis}, jobNamespaces: [gateways]}", map[string]int{"Role": 2, "RoleBinding": 2, "ServiceAccount": 2}, ""},
	{"statistics of kubelets", "{usage: kubelet, redis: {secret: redis}}", map[string]int{"ClusterRole": 1, "ClusterRoleBinding": 1}, ""},
	{"no statistics", "{usage: off, redis: {secret: redis}}", map[string]int{"Role": 1, "ClusterRole": 0}, ""},
	{"one instance", "{replicas: 1, redis: {secret: redis}}", map[string]int{"PodDisruptionBudget": 0, "Deployment": 1}, ""},
	{"no instance", "{replicas: 0, redis: {secret: redis}}", nil, "replicas"},
	{"an unknown value", "{redis: {secret: redis}, replica: 1}", nil, "replica"},
}

func TestChart(t *testing.T) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := render(tt.values)
			if tt.failure != "" {
				if err == nil || !strings.Contains(err.Error(), tt.failure) {
					t.Errorf("error %v, want %q", err, tt.failure)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			counts := make(map[string]int)
			for _, object := range text {
				counts[decode(t, object)]++
			}
			for kind, want := range tt.objects {
				if counts[kind] != want {
					t.Errorf("%d of %s, want %d", counts[kind], kind, want)
				}
			}
		})
	}
}

// render returns the objects that the chart makes.
func render(values string) (objects []string, err error) {
	c, err := loader.Load(chart)
	if err != nil {
		return nil, err
	}
	v, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		return nil, err
	}
	release := chartutil.ReleaseOptions{Name: "livy", Namespace: "gateways", IsInstall: true}
	all, err := chartutil.ToRenderValues(c, v, release, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	for name, text := range files {
		if filepath.Ext(name) != ".yaml" {
			continue
		}
		for object := range strings.SplitSeq("\n"+text, "\n---\n") {
			if strings.TrimSpace(object) != "" {
				objects = append(objects, object)
			}
		}
	}
	return objects, nil
}

// decode decodes an object strictly and returns its kind.
func decode(t *testing.T, object string) string {
	t.Helper()
	var head struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal([]byte(object), &head); err != nil {
		t.Fatalf("%v\n%s", err, object)
	}
	if head.APIVersion == "monitoring.coreos.com/v1" {
		return head.Kind // of another API
	}
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	if _, _, err := decoder.Decode([]byte(object), nil, nil); err != nil {
		t.Errorf("%v\n%s", err, object)
	}
	return head.Kind
}

func TestLint(t *testing.T) {
	values := map[string]any{"redis": map[string]any{"secret": "redis"}}
	for _, m := range lint.All(chart, values, "gateways", true).Messages {
		if m.Severity >= support.WarningSev {
			t.Error(m)
		}
	}
}

// TestRole: the role of the gateway is the one of the documentation, which is held against what the
// runtime needs.
func TestRole(t *testing.T) {
	text, err := os.ReadFile("../../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, documented, _ := strings.Cut(string(text), "    kind: Role\n")
	documented, _, _ = strings.Cut(documented, "\n\n")
	objects, err := render("redis: {secret: redis}")
	if err != nil {
		t.Fatal(err)
	}
	want := grants(t, documented)
	for _, object := range objects {
		if strings.Contains(object, "kind: Role\nmetadata:\n  name: livy-livy-gateway\n") {
			if got := grants(t, object); !slices.Equal(got, want) {
				t.Errorf("the role grants\n%q, the documented one\n%q", got, want)
			}
			return
		}
	}
	t.Error("there is no role of the gateway")
}

// grants lists what a role allows.
func grants(t *testing.T, role string) (list []string) {
	t.Helper()
	var r struct{ Rules []rbacv1.PolicyRule }
	if err := yaml.Unmarshal([]byte(role), &r); err != nil {
		t.Fatalf("%v\n%s", err, role)
	}
	for _, rule := range r.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				list = append(list, strings.Join([]string{rule.APIGroups[0], resource, verb}, " "))
			}
		}
	}
	slices.Sort(list)
	return list
}

// TestSecretsAreNotValues: the URL of Redis, which has a password, is only named.
func TestSecretsAreNotValues(t *testing.T) {
	err := filepath.WalkDir(chart, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "kind: Secret\n") {
			t.Errorf("%s makes a Secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
