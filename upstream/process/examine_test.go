package process

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

// javaThat makes a java that says its version as real ones do.
func javaThat(t *testing.T, says string) string {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := "#!/bin/sh\necho '" + says + "' >&2\n"
	if err := os.WriteFile(filepath.Join(home, "bin", "java"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return home
}

func TestExamine(t *testing.T) {
	livyHome, sparkHome := upstreamtest.FakeHomes(t)
	r := newRuntime(t, Options{})
	for _, tt := range []struct {
		name   string
		engine gateway.Engine
		want   doctor.Status
	}{
		{"java 17", gateway.Engine{LivyHome: livyHome, SparkHome: sparkHome, JavaHome: javaThat(t, `openjdk version "17.0.9" 2023-10-17`), Java: "17", Python: "sh"}, doctor.OK},
		{"java 8", gateway.Engine{LivyHome: livyHome, SparkHome: sparkHome, JavaHome: javaThat(t, `java version "1.8.0_392"`), Java: "8", Python: "sh"}, doctor.OK},
		{"another java", gateway.Engine{LivyHome: livyHome, SparkHome: sparkHome, JavaHome: javaThat(t, `openjdk version "11.0.2"`), Java: "17", Python: "sh"}, doctor.Warn},
		{"java too new", gateway.Engine{LivyHome: livyHome, SparkHome: sparkHome, JavaHome: javaThat(t, `openjdk version "25" 2025-09-16`), Python: "sh"}, doctor.Warn},
		{"no version", gateway.Engine{LivyHome: livyHome, SparkHome: sparkHome, JavaHome: javaThat(t, "moo")}, doctor.Fail},
		{"no python", gateway.Engine{LivyHome: livyHome, SparkHome: sparkHome, JavaHome: javaThat(t, `openjdk version "17"`), Python: "no-such-python"}, doctor.Warn},
		{"no livy", gateway.Engine{LivyHome: t.TempDir(), SparkHome: sparkHome}, doctor.Fail},
		{"no spark", gateway.Engine{LivyHome: livyHome, SparkHome: t.TempDir()}, doctor.Fail},
	} {
		tt.engine.Name = "e"
		results := r.Examine(t.Context(), &gateway.Catalog{Engines: []gateway.Engine{tt.engine}})
		last := results[len(results)-1]
		if last.Status != tt.want || (tt.want == doctor.OK) != (last.Mend == "") {
			t.Errorf("%s: %+v, want %s", tt.name, last, tt.want)
		}
		if results[0].Status != doctor.OK {
			t.Errorf("state directory: %+v", results[0])
		}
	}
}
