package upstream

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy"
)

func TestWithMetastore(t *testing.T) {
	files := RenderConf(ConfInput{Alone: true, Hive: true})
	if got := WithMetastore(files, "", "127.0.0.1", 1); !maps.Equal(got, files) {
		t.Errorf("without a directory: %v", got)
	}
	got := WithMetastore(files, "/mnt/it's", "127.0.0.1", 9083)
	spark, err := livy.ParseProperties(got[SparkDefaults])
	if url := Lookup(spark, "spark.hadoop.hive.metastore.uris"); err != nil || url != "thrift://127.0.0.1:9083" {
		t.Errorf("metastore %q, %v", url, err)
	}
	if url := Lookup(spark, metastoreKey); url != "" {
		t.Errorf("the drivers have a database of their own: %q", url)
	}
	if run := got["metastore.sh"]; !strings.Contains(run, `Metastore '/mnt/it'\''s' '127.0.0.1' 9083`) || strings.Contains(run, "@") {
		t.Errorf("metastore.sh:\n%s", run)
	}
	if len(files) != 5 {
		t.Errorf("the given files were changed: %v", files)
	}
}

func TestHiveInSessions(t *testing.T) {
	for name, tt := range map[string]struct {
		in   ConfInput
		want string
	}{
		"no warehouse": {ConfInput{}, ""},
		"a warehouse":  {ConfInput{Hive: true}, "true"},
	} {
		got, err := livy.ParseProperties(RenderConf(tt.in)[LivyConf])
		if v := Lookup(got, HiveKey); err != nil || v != tt.want {
			t.Errorf("%s: %q, %v", name, v, err)
		}
	}
}

// TestMetastoreIsKeptRunning runs the script with a stand-in for Java. The exit codes are those
// of its successive runs.
func TestMetastoreIsKeptRunning(t *testing.T) {
	for name, codes := range map[string]string{
		"it cannot start":      "78",
		"it crashes, then not": "1 137 78",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := WithMetastore(map[string]string{}, "/mnt/tables", "127.0.0.1", 9083)
			files["java"] = "#!/bin/sh\necho \"$*\" >>\"$RUNS\"\nset -- " + codes + "\nshift $(($(wc -l <\"$RUNS\") - 1))\nexit $1\n"
			// As bin/livy-server does it.
			files["livy-server"] = "#!/bin/sh\n. \"$LIVY_CONF_DIR/livy-env.sh\"\nexec sleep 60\n"
			for file, text := range files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			runs := filepath.Join(dir, "runs")
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, filepath.Join(dir, "livy-server"))
			cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "LIVY_CONF_DIR=" + dir, "SPARK_HOME=/opt/spark", "RUNS=" + runs}
			err := cmd.Run()
			if ended, ok := errors.AsType[*exec.ExitError](err); !ok || ended.String() != "signal: terminated" {
				t.Errorf("the Livy server ended with %v, want it to be terminated", err)
			}
			ran, _ := os.ReadFile(runs)
			if want := len(strings.Fields(codes)); strings.Count(string(ran), "\n") != want {
				t.Errorf("it ran as\n%swant %d times", ran, want)
			}
			if !strings.Contains(string(ran), "-Xmx256m ") || !strings.Contains(string(ran), " -cp /opt/spark/jars/* ") ||
				!strings.Contains(string(ran), dir+"/Metastore.java Metastore /mnt/tables 127.0.0.1 9083") {
				t.Errorf("it ran as\n%s", ran)
			}
		})
	}
}
