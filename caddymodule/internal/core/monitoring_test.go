package core_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/require"
)

var monitoring = filepath.Join("..", "..", "..", "docs", "monitoring")

// files returns the texts of the files that match a pattern below docs/monitoring, by path.
func files(t *testing.T, patterns ...string) map[string]string {
	t.Helper()
	texts := make(map[string]string)
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(monitoring, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts[path] = string(text)
		}
	}
	return texts
}

var (
	recorded   = regexp.MustCompile(`record: (\S+)`)
	alert      = regexp.MustCompile(`- alert: (\w+)`)
	runbook    = regexp.MustCompile(`runbook_url: https://\S+/docs/operations\.md#(\w+)`)
	metricName = regexp.MustCompile(`\b(caddy_livy_[a-z_]+|livygw:[a-zA-Z0-9_:]+)`)
)

// TestMonitoringUsesWhatIsExported: dashboards, alerts and rules use metrics that exist.
func TestMonitoringUsesWhatIsExported(t *testing.T) {
	exported := make(map[string]bool)
	for _, m := range core.Metrics() {
		if m.Type != "histogram" {
			exported[m.Name] = true
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			exported[m.Name+suffix] = true
		}
	}
	for _, text := range files(t, "prometheus/recording.yaml") {
		for _, m := range recorded.FindAllStringSubmatch(text, -1) {
			exported[m[1]] = true
		}
	}
	used := 0
	for path, text := range files(t, "grafana/*.json", "prometheus/*.yaml") {
		for _, m := range metricName.FindAllString(text, -1) {
			used++
			if !exported[m] {
				t.Errorf("%s uses %s, which is not exported", filepath.Base(path), m)
			}
		}
	}
	if used < 100 {
		t.Errorf("only %d uses of metrics were found", used)
	}
}

// TestAlertsHaveRunbooksAndTests: each alert links to its section of docs/operations.md, and
// promtool tests it.
func TestAlertsHaveRunbooksAndTests(t *testing.T) {
	operations, err := os.ReadFile(filepath.Join(monitoring, "..", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := files(t, "prometheus/*.yaml")
	rules, tests := all[filepath.Join(monitoring, "prometheus", "alerts.yaml")], all[filepath.Join(monitoring, "prometheus", "alerts_test.yaml")]
	names, links := alert.FindAllStringSubmatch(rules, -1), runbook.FindAllStringSubmatch(rules, -1)
	if len(names) < 15 || len(links) != len(names) {
		t.Fatalf("%d alerts, %d links to runbooks", len(names), len(links))
	}
	for i, m := range names {
		if links[i][1] != strings.ToLower(m[1]) {
			t.Errorf("%s links to #%s", m[1], links[i][1])
		}
		if !strings.Contains(string(operations), "\n### "+m[1]+"\n") {
			t.Errorf("docs/operations.md has no section %s", m[1])
		}
		if !strings.Contains(tests, `ALERTS{alertname="`+m[1]+`"`) {
			t.Errorf("alerts_test.yaml does not test %s", m[1])
		}
	}
}

func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	require.Need(t, require.Prometheus, err == nil, "promtool is not installed (Debian's package prometheus)")
	for _, args := range [][]string{
		{"check", "rules", "alerts.yaml", "recording.yaml"},
		{"test", "rules", "alerts_test.yaml"},
	} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = filepath.Join(monitoring, "prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
