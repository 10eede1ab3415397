package kubernetes

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
)

// TestRightsAreDocumented: the documented role, which is the chart's too, has what is needed with
// any option, and nothing else. The rights on nodes are of no namespace.
func TestRightsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "kubernetes.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, role, _ := strings.Cut(string(text), "    kind: Role\n")
	role, _, _ = strings.Cut(role, "\n\n")
	var documented struct {
		Rules []struct{ APIGroups, Resources, Verbs []string }
	}
	if err := yaml.Unmarshal([]byte(role), &documented); err != nil {
		t.Fatal(err)
	}
	got := []string{"list resourcequotas"} // for the doctor's hints alone
	r := &Runtime{opts: Options{Reach: ReachService, Usage: UsageMetrics}}
	for _, right := range r.rights(&kubeapi.Client{InCluster: true}) {
		for _, verb := range right.verbs {
			got = append(got, verb+" "+right.name())
		}
	}
	var want []string
	for _, rule := range documented.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				want = append(want, verb+" "+resource)
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("needed are\n%q, documented\n%q", got, want)
	}
}

// TestRightsOfForwards: the documented role is also that of a Caddy in the cluster, which forwards
// nothing.
func TestRightsOfForwards(t *testing.T) {
	has := func(reach string) bool {
		r := &Runtime{opts: Options{Reach: reach}}
		return slices.ContainsFunc(r.rights(new(kubeapi.Client)), func(right right) bool {
			return right.name() == "pods/portforward" && slices.Equal(right.verbs, []string{"get", "create"})
		})
	}
	if has(ReachPod) || has(ReachService) || !has(ReachPortForward) {
		t.Error("the doctor checks pods/portforward for another reach")
	}
}

// TestJobNamespaces: the doctor checks those in the cluster of the pods.
func TestJobNamespaces(t *testing.T) {
	const key = "spark.kubernetes.namespace"
	here := gateway.Cluster{Master: master, Conf: map[string]string{key: "jobs"}}
	elsewhere := gateway.Cluster{Master: master, Kubeconfig: "/etc/kubeconfig", Conf: map[string]string{key: "others"}}
	for _, tt := range []struct {
		clusters []gateway.Cluster
		want     []string
	}{
		{nil, nil},
		{[]gateway.Cluster{elsewhere, {Master: "yarn"}}, nil},
		{[]gateway.Cluster{here, elsewhere}, []string{"jobs", "team"}},
	} {
		if got := jobNamespaces(&gateway.Catalog{Clusters: tt.clusters, Queues: []string{"team"}}); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %q, want %q", tt.clusters, got, tt.want)
		}
	}
}
