package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
)

// A Java that can use an archive if it says "fits". The real one is asked in the
// integration tests.
const archiveJava = `#!/bin/sh
for arg; do case $arg in -XX:SharedArchiveFile=*) grep -q fits "${arg#*=}" || exit 1 ;; esac; done
`

func TestExamineArchives(t *testing.T) {
	for _, tt := range []struct {
		name                     string
		driver, launcher, server string
		want                     doctor.Status // "": nothing is reported
		names                    string
	}{
		{"none", "", "", "", "", ""},
		{"all fit", "fits", "fits", "fits", doctor.OK, "spark"},
		{"another driver", "old", "fits", "fits", doctor.Warn, "spark/archives/driver.jsa"},
		{"another launcher", "fits", "old", "fits", doctor.Warn, "spark/archives/launcher.jsa"},
		{"no server", "fits", "fits", "", doctor.Warn, "livy/archives/server.jsa"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := t.TempDir()
			files := map[string]string{
				"spark/archives/driver.jsa": tt.driver, "spark/archives/launcher.jsa": tt.launcher, "livy/archives/server.jsa": tt.server,
				"spark/jars/spark-core.jar": "jar", "livy/jars/livy-server.jar": "jar", "java": archiveJava,
			}
			for name, text := range files {
				if text == "" {
					continue
				}
				path := filepath.Join(home, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			e := gateway.Engine{Name: "e", LivyHome: home + "/livy", SparkHome: home + "/spark"}
			results := examineArchives(t.Context(), e, home+"/java")
			if tt.want == "" {
				if len(results) > 0 {
					t.Errorf("%+v", results)
				}
				return
			}
			if len(results) != 1 || results[0].Status != tt.want || !strings.Contains(results[0].Summary, tt.names) {
				t.Errorf("%+v, want %s with %s", results, tt.want, tt.names)
			}
		})
	}
}
