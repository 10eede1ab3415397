package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/api"
)

// complete asks as a shell does and returns what is offered, without what stands
// behind a tab.
func (w *world) complete(words ...string) (offered []string) {
	w.t.Helper()
	out, _, code := w.runArgs(append([]string{"__complete", "livy"}, words...)...)
	if code != 0 {
		w.t.Fatalf("completing %q: exit code %d", words, code)
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, ":") {
			if strings.TrimSpace(line) != ":4" {
				w.t.Errorf("completing %q: directive %s: files would be offered", words, line)
			}
			break
		}
		word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		offered = append(offered, word)
	}
	return offered
}

func TestCompletion(t *testing.T) {
	w := newWorld(t, 0)
	w.must("gateway create etl", nil)
	w.must("gateway create lab --workspace research", nil)
	var tok api.NewToken
	w.must("token create --gateway etl --name airflow", &tok)
	tests := []struct {
		words []string
		want  []string
	}{
		{[]string{"gateway", "show", ""}, []string{"etl"}},
		{[]string{"gateway", "show", "etl", ""}, nil},
		{[]string{"--workspace", "research", "gateway", "stop", ""}, []string{"lab"}},
		{[]string{"gateway", "list", "--workspace", ""}, []string{"default", "research"}},
		{[]string{"token", "list", "--gateway", ""}, []string{"etl"}},
		{[]string{"token", "show", "--gateway", "etl", ""}, []string{tok.ID}},
		{[]string{"session", "list", "--gateway", "etl", "--token", ""}, []string{tok.ID}},
		{[]string{"gateway", "create", "x", "--engine", ""}, []string{"spark-3.5", "spark-3.4-with-a-rather-long-name"}},
		{[]string{"gateway", "create", "x", "--cpu", ""}, []string{"1", "2", "4"}},
		{[]string{"gateway", "create", "x", "--memory", ""}, []string{"4Gi", "8Gi", "16Gi"}},
		{[]string{"gateway", "create", "x", "--queue", ""}, []string{"root.etl", "root.adhoc"}},
		{[]string{"gateway", "create", "x", "--cluster", ""}, []string{"lake"}},
		{[]string{"environment", "show", ""}, []string{"analytics"}},
		{[]string{"policy", "explain", "--gateway", "etl", "--kind", ""}, []string{"session", "batch"}},
		{[]string{"gateway", "list", "--address", "127.0.0.1:1", "--workspace", ""}, nil},
	}
	for _, tt := range tests {
		if got := w.complete(tt.words...); !slices.Equal(got, tt.want) {
			t.Errorf("completing %q: %q, want %q", tt.words, got, tt.want)
		}
	}
	if got := w.complete("gateway", ""); !slices.Contains(got, "restart-needed") {
		t.Errorf("completing gateway: %q", got)
	}
}
