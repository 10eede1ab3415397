package project

import (
	"regexp"
	"strings"
	"testing"
)

// TestCompatibility holds the versions in the README's table to those that the build and
// the tests use.
func TestCompatibility(t *testing.T) {
	_, table, _ := strings.Cut(read(t, "README.md"), "## Compatibility\n")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := make(map[string]string)
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			rows[strings.TrimSpace(cells[1])] = cells[2] + cells[3]
		}
	}
	tests := []struct{ component, file, pattern string }{
		{"Caddy", "go.mod", `caddyserver/caddy/v2 v(\S+)`},
		{"Go", ".github/workflows/ci.yml", `go: \['([\d.]+)'`},
		{"Go", ".github/workflows/ci.yml", `go: \['[\d.]+', '([\d.]+)'`},
		{"Livy", "scripts/prepare-engine", `dist/incubator/livy/([\w.-]+)\}`},
		{"Spark", "scripts/build-engine-image", `(?m)^spark=(\S+)`},
		{"Spark", ".ci/run", `build-engine-image --spark (\S+)`},
		{"Java", "docker/Dockerfile", `openjdk-(\d+)-jre`},
		{"Hadoop YARN", "integration/yarn/pom.xml", `hadoop-common</artifactId><version>([\d.]+)`},
		{"sparkmagic", "integration/clients/sparkmagic.txt", `(?m)^sparkmagic==(\S+)`},
		{"Airflow", "integration/clients/airflow.txt", `(?m)^apache-airflow==(\S+)`},
		{"Airflow", "integration/clients/airflow.txt", `(?m)^apache-airflow-providers-apache-livy==(\S+)`},
	}
	for _, tt := range tests {
		found := regexp.MustCompile(tt.pattern).FindStringSubmatch(read(t, tt.file))
		if found == nil {
			t.Errorf("%s has nothing like %s", tt.file, tt.pattern)
			continue
		}
		if !strings.Contains(rows[tt.component], found[1]) {
			t.Errorf("%s uses %s %s, and the README says %q", tt.file, tt.component, found[1], rows[tt.component])
		}
	}
}
