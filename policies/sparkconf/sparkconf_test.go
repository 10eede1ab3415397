package sparkconf

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/livygateway/livygateway/internal/require"
)

func TestLookup(t *testing.T) {
	for key, want := range map[string]Setting{
		"spark.sql.shuffle.partitions":             {Unit: Int, Default: "200"},
		"spark.driver.maxResultSize":               {Unit: Bytes, Default: "1g"},
		"spark.executor.memory":                    {Unit: MiB, Default: "1g"},
		"spark.kryoserializer.buffer":              {Unit: KiB, Default: "64k"},
		"spark.network.timeout":                    {Unit: Seconds, Default: "120s"},
		"spark.locality.wait":                      {Unit: Millis, Default: "3s"},
		"spark.locality.wait.node":                 {Unit: Millis, DefaultOf: "spark.locality.wait"},
		"spark.executor.memoryOverhead":            {Unit: MiB},
		"spark.speculation":                        {Unit: Text, Default: "false"},
		"spark.blacklist.enabled":                  {Now: "spark.excludeOnFailure.enabled"},
		"spark.default.parallelism":                {},
		"spark.sql.session.timeZone":               {Unit: Text},
		"spark.sql.thriftServer.interruptOnCancel": {Unit: Text},
	} {
		if got, ok := Lookup(key); !ok || got != want {
			t.Errorf("%s: %+v, %v; want %+v", key, got, ok, want)
		}
	}
	if _, ok := Lookup("# The settings of Spark 3.5.8, made by list.py."); ok || len(Names()) < 1200 {
		t.Errorf("%d settings", len(Names()))
	}
	for key, s := range settings {
		for _, other := range []string{s.DefaultOf, s.Now} {
			if _, ok := settings[other]; other != "" && !ok {
				t.Errorf("%s names %s, which there is not", key, other)
			}
		}
		switch s.Unit {
		case "", Text, Int, Bytes, KiB, MiB, Millis, Seconds:
		default:
			t.Errorf("%s: unit %q", key, s.Unit)
		}
	}
}

func TestNamesOf(t *testing.T) {
	const now, old = "spark.sql.parquet.datetimeRebaseModeInRead", "spark.sql.legacy.parquet.datetimeRebaseModeInRead"
	for _, key := range []string{now, old} {
		if got := NamesOf(key); len(got) != 2 || got[0] != now || got[1] != old {
			t.Errorf("%s: %q", key, got)
		}
	}
	if got := NamesOf("spark.executor.memory"); got != nil {
		t.Errorf("%q", got)
	}
	if len(Renamed()) < 40 {
		t.Errorf("%d renamed", len(Renamed()))
	}
}

func TestDefault(t *testing.T) {
	said := map[string]string{"spark.locality.wait": "9s"}
	others := func(key string) string { return said[key] }
	for key, want := range map[string]string{
		"spark.sql.shuffle.partitions":             "200",
		"spark.locality.wait.node":                 "9s",
		"spark.dynamicAllocation.initialExecutors": "0",
		"spark.executor.memoryOverhead":            "",
		"spark.myapp.x":                            "",
	} {
		if got := Default(key, others); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestSimilar(t *testing.T) {
	for key, want := range map[string]string{
		"spark.sql.shuffle.partitons":              "spark.sql.shuffle.partitions",
		"spark.executor.memroy":                    "spark.executor.memory",
		"spark.Executor.memory":                    "spark.executor.memory",
		"spark.sql.shuffle.partitions":             "",
		"spark.myapp.batchSize":                    "",
		"spark.hadoop.fs.s3a.access.ky":            "",
		"spark.sql.catalog.lake.warehouse":         "",
		"spark.shuffle.io.numConnectionsPerPeer":   "",
		"spark.rpc.io.serverThreads":               "",
		"spark.kubernetes.driver.label.team":       "",
		"spark.sql.iceberg.handle-timestamp":       "",
		"spark.databricks.delta.retentionDuration": "",
		"spark.executor.resource.gpu.amount":       "",
		"spark.ui.filters.x":                       "",
	} {
		if got := Similar(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	for prefix, want := range map[string]string{
		"spark.yran.": "spark.yarn.", "spark.yarn.": "", "spark.ya": "", "spark.": "", "spark.hadoop.fs.": "", "spark.myapp.": "", "spark.sql.shufle.": "spark.sql.shuffle.",
	} {
		if got := SimilarPrefix(prefix); got != want {
			t.Errorf("%s*: %q, want %q", prefix, got, want)
		}
	}
}

// TestTheTableIsSparks asks the Spark that is prepared for tests.
func TestTheTableIsSparks(t *testing.T) {
	root := filepath.Join("..", "..", ".run", "engine")
	home, err := filepath.Abs(filepath.Join(root, "spark"))
	if err != nil {
		t.Fatal(err)
	}
	submit := filepath.Join(home, "bin", "spark-submit")
	_, err = os.Stat(submit)
	require.Need(t, require.Livy, err == nil, "no Spark is prepared (make engine)")
	var engine struct{ Java string }
	if text, err := os.ReadFile(filepath.Join(root, "engine.json")); err != nil || json.Unmarshal(text, &engine) != nil {
		t.Fatalf("reading engine.json: %v", err)
	}
	cmd := exec.Command(submit, "--master", "local[1]", "--conf", "spark.ui.enabled=false", "list.py")
	cmd.Env = append(os.Environ(), "SPARK_HOME="+home, "JAVA_HOME="+engine.Java, "SPARK_LOCAL_IP=127.0.0.1", "PYSPARK_PYTHON=python3")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, err.(*exec.ExitError).Stderr)
	}
	known, theirs := 0, parse(string(out))
	for key, is := range theirs {
		if says, ok := settings[key]; ok && says != is && says != (Setting{}) {
			t.Errorf("%s: the table says %+v, Spark %+v", key, says, is)
		} else if ok {
			known++
		} else if is != (Setting{}) && is.Unit == "" {
			t.Errorf("%s is not in the table: %+v", key, is)
		}
	}
	if known < len(settings)*9/10 {
		t.Errorf("Spark knows %d of %d settings", known, len(settings))
	}
}
