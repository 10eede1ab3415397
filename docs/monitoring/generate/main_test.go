package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestDashboards compares the files with what is generated now; "go run ." writes them anew.
func TestDashboards(t *testing.T) {
	files, err := filepath.Glob("../grafana/*.json")
	if err != nil || len(files) != len(dashboards) {
		t.Errorf("%d files for %d dashboards: %v", len(files), len(dashboards), err)
	}
	for name := range dashboards {
		want, err := render(name)
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(filepath.Join("..", "grafana", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s is not what is generated now: run \"go run .\" in docs/monitoring/generate", name)
		}
	}
}
