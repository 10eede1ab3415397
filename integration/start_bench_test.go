package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// BenchmarkStart measures starts on a prepared engine, through the gateway, and on a Livy 0.8.0 as
// its zip has it with a Spark as its wheel has it, without the gateway, in turn. It reports medians
// in seconds and their ratios. Both share the processors that the test may use:
//
//	taskset -c 0 go test -C integration -run '^$' -bench '^BenchmarkStart$' -benchtime 3x -timeout 60m .
func BenchmarkStart(b *testing.B) {
	l := processLive(b)
	require.Need(b, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	livyHome, sparkHome := unpacked(b)
	jobs := filepath.Join(sparkHome, "examples", "src", "main", "python")

	c := newCaddy(b, storetest.StartServer(b), l.livyBlock+"\nlocal_dir "+jobs)
	c.newGateway("etl", "--cpu", strconv.Itoa(runtime.NumCPU())) // those that the zip's Livy has
	took := timings{}
	var raw *recordingLivy
	for range 5 {
		if raw != nil {
			_ = syscall.Kill(-raw.group, syscall.SIGKILL)
		}
		c.livy("gateway", "stop", "etl", "--wait")
		began := time.Now()
		raw = startLivy(b, livyHome, sparkHome, "livy.spark.master = local[2]", "livy.file.local-dir-whitelist = "+jobs+"/")
		took.add("server", "zip", time.Since(began))
		began = time.Now()
		c.livy("gateway", "start", "etl", "--wait")
		took.add("server", "gateway", time.Since(began))
	}
	ways := []struct {
		name string
		client
	}{{"zip", client{b, "http://" + raw.addr, ""}}, {"gateway", client{b, c.url("etl"), c.newToken("etl").Token}}}
	for b.Loop() {
		for _, kind := range []string{"pyspark", "spark", "sql"} {
			for _, way := range ways {
				idle, first := way.timeKind(kind)
				took.add(kind+"-idle", way.name, idle)
				took.add(kind+"-first-statement", way.name, first)
			}
		}
		for _, way := range ways {
			began := time.Now()
			var job batch
			way.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": filepath.Join(jobs, "pi.py"), "driverMemory": "1g"}, &job)
			if state, log := way.batchDone(job.ID); state != "success" {
				b.Fatalf("pi.py ended as %s:\n%s", state, log)
			}
			took.add("pi.py", way.name, time.Since(began))
		}
	}
	b.ReportMetric(0, "ns/op") // left out
	took.report(b)
}

// unpacked returns the homes of a Livy and a Spark that were unpacked and not changed.
func unpacked(b *testing.B) (livyHome, sparkHome string) {
	b.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for file, within := range map[string]string{
		"apache-livy-0.8.0-incubating_2.12-bin.zip": "", "pyspark-3.5.8-py2.py3-none-any.whl": "pyspark/*",
	} {
		path := filepath.Join(cache, "livygateway", file)
		_, err := os.Stat(path)
		require.Need(b, require.Livy080, err == nil, path+" is not there")
		args := []string{"-q", path, "-d", dir}
		if within != "" {
			args = []string{"-q", path, within, "-d", dir}
		}
		if out, err := exec.Command("unzip", args...).CombinedOutput(); err != nil {
			b.Fatalf("unpacking %s: %v\n%s", path, err, out)
		}
	}
	sparkHome = filepath.Join(dir, "pyspark")
	if out, err := exec.Command("bash", "-c", `chmod +x "$1"/bin/*`, "chmod", sparkHome).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "apache-livy-0.8.0-incubating_2.12-bin"), sparkHome
}

// timeKind creates a session and ends it. It returns the time until it is idle, and how long its
// first statement takes.
func (c client) timeKind(kind string) (idle, first time.Duration) {
	c.t.Helper()
	var s struct {
		ID    int
		State string
	}
	began := time.Now()
	c.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": kind, "driverMemory": "1g"}, &s)
	path := fmt.Sprintf("/sessions/%d", s.ID)
	for s.State != "idle" {
		if s.State != "starting" && s.State != "not_started" || time.Since(began) > 5*time.Minute {
			c.t.Fatalf("the %s session is %s", kind, s.State)
		}
		time.Sleep(50 * time.Millisecond)
		c.expect(http.StatusOK, "GET", path, nil, &s)
	}
	idle = time.Since(began)
	began = time.Now()
	var st struct {
		ID     int
		State  string
		Output json.RawMessage
	}
	c.expect(http.StatusCreated, "POST", path+"/statements", map[string]string{"code": map[string]string{
		"pyspark": "print(spark.range(101).groupBy().sum('id').first()[0])",
		"spark":   "println(spark.range(101).groupBy().sum(\"id\").first().get(0))",
		"sql":     "select sum(id) from range(101)",
	}[kind]}, &st)
	for st.State != "available" && time.Since(began) < 3*time.Minute {
		time.Sleep(50 * time.Millisecond)
		c.expect(http.StatusOK, "GET", fmt.Sprintf("%s/statements/%d", path, st.ID), nil, &st)
	}
	first = time.Since(began)
	if !strings.Contains(string(st.Output), "5050") {
		c.t.Fatalf("the %s session answers %s", kind, st.Output)
	}
	c.expect(http.StatusOK, "DELETE", path, nil, nil)
	return idle, first
}

// timings are durations by what was measured and by way.
type timings map[string]map[string][]time.Duration

func (t timings) add(what, way string, d time.Duration) {
	if t[what] == nil {
		t[what] = make(map[string][]time.Duration)
	}
	t[what][way] = append(t[what][way], d)
}

func (t timings) report(b *testing.B) {
	for what, ways := range t {
		median := func(way string) float64 {
			all := slices.Sorted(slices.Values(ways[way]))
			return all[len(all)/2].Seconds()
		}
		b.Logf("%-22s zip %6.2f s, gateway %6.2f s: %.2f", what, median("zip"), median("gateway"), median("gateway")/median("zip"))
		b.ReportMetric(median("gateway")/median("zip"), what+"-ratio")
	}
}
