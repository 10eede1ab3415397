package policies

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/golden"
	"github.com/livygateway/livygateway/policies/sparkconf"
)

// TestKubernetesSettingsAreClassified: each setting for Kubernetes in Spark's table is a client's,
// Spark's own, or in exactly one of the operator's groups.
func TestKubernetesSettingsAreClassified(t *testing.T) {
	known := 0
	for _, key := range sparkconf.Names() {
		if !strings.HasPrefix(key, kubernetesPrefix) {
			continue
		}
		known++
		var in []string
		if kubernetesOpen.has(key) {
			in = append(in, "clients")
		}
		if internalKeys.has(key) {
			in = append(in, "Spark")
		}
		for i := range kubernetesNames {
			if kubernetesNames[i].has(key) {
				in = append(in, kubernetesGroups[i].decides)
			}
		}
		if len(in) != 1 {
			t.Errorf("%s is in %q, want one class", key, in)
		}
	}
	if known < 80 {
		t.Errorf("%d settings are known, want at least 80", known)
	}
}

// TestKubernetesGroupsDoc holds the list in docs/policies.md to the one in force.
// To write it: go test ./policies -run TestKubernetesGroupsDoc -update
func TestKubernetesGroupsDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n")
	for _, g := range kubernetesGroups {
		b.WriteString(golden.Wrap(g.decides+": "+code(g.list), "- ", "  "))
	}
	b.WriteString("\n")
	golden.Part(t, "../docs/policies.md", "<!-- kubernetes -->", "<!-- end of kubernetes -->", b.String())
}
