// Package runtimes holds real Livy and real Spark to the contract of the
// runtimes, without a gateway in front.
package runtimes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/docker"
	"github.com/livygateway/livygateway/upstream/process"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

// realRuntime is a runtime with a real Livy and Spark.
type realRuntime struct {
	new         func(t *testing.T) upstream.Runtime
	engine      gateway.Engine
	livy        string // version
	interactive bool
	pi          string // URI of Spark's example pi.py as Livy reaches it
}

func setting(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

func realProcess(t *testing.T) realRuntime {
	t.Helper()
	home, err := filepath.Abs(setting("LIVYGW_ENGINE", "../../.run/engine"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(home, "engine.json"))
	require.Need(t, require.Livy, err == nil, "no engine is prepared (make engine)")
	var versions struct {
		Livy        string
		Java        string
		Interactive bool
	}
	if err := json.Unmarshal(raw, &versions); err != nil {
		t.Fatalf("reading engine.json: %v", err)
	}
	engine := gateway.Engine{
		Name: "real", LivyHome: filepath.Join(home, "livy"), SparkHome: filepath.Join(home, "spark"), JavaHome: versions.Java,
	}
	dir := t.TempDir()
	return realRuntime{
		new: func(t *testing.T) upstream.Runtime {
			rt, err := process.New(process.Options{StateDir: dir}, zaptest.NewLogger(t))
			if err != nil {
				t.Fatal(err)
			}
			return rt
		},
		engine:      engine,
		livy:        versions.Livy,
		interactive: versions.Interactive,
		pi:          "local:" + filepath.Join(engine.SparkHome, "examples/src/main/python/pi.py"),
	}
}

func realDocker(t *testing.T) realRuntime {
	t.Helper()
	require.Need(t, require.Docker, exec.Command("docker", "version").Run() == nil, "no Docker engine answers")
	image := setting("LIVYGW_IMAGE", "livygateway/livy:0.8.0-spark3.5.8")
	version, err := exec.Command("docker", "image", "inspect", "--format", `{{index .Config.Labels "io.github.livygateway.livy"}}`, image).Output()
	require.Need(t, require.Image, err == nil, "image "+image+" is not there (make image)")
	livy := strings.TrimSpace(string(version))
	namespace := fmt.Sprintf("test-%d-runtimes", os.Getpid())
	return realRuntime{
		new: func(t *testing.T) upstream.Runtime {
			rt, err := docker.New(docker.Options{Namespace: namespace}, zaptest.NewLogger(t))
			if err != nil {
				t.Fatal(err)
			}
			return rt
		},
		engine:      gateway.Engine{Name: "real", Image: image},
		livy:        livy,
		interactive: !strings.HasPrefix(livy, "0.7.1"),
		pi:          "local:/opt/spark/examples/src/main/python/pi.py",
	}
}

func onEachRealRuntime(t *testing.T, test func(t *testing.T, r realRuntime)) {
	t.Run("process", func(t *testing.T) { test(t, realProcess(t)) })
	t.Run("docker", func(t *testing.T) { test(t, realDocker(t)) })
}

// The contract that fakelivy keeps in the unit tests is kept by real Livy too.
func TestRuntimeContract(t *testing.T) {
	onEachRealRuntime(t, func(t *testing.T, r realRuntime) {
		upstreamtest.Suite(t, upstreamtest.Harness{
			New: r.new, Engine: r.engine, Version: r.livy, Patience: 90 * time.Second,
		})
	})
}

func TestRuntimeRunsSpark(t *testing.T) {
	onEachRealRuntime(t, func(t *testing.T, r realRuntime) {
		rt := r.new(t)
		spec := gateway.Spec{
			Name: "real", CPU: 1, Memory: "4Gi",
		}
		files := upstream.RenderConf(upstream.ConfInput{
			Conf: upstream.Conf{
				Spark:      []upstream.Entry{{Key: "spark.ui.enabled", Value: "false"}},
				LivyClient: []upstream.Entry{{Key: "livy.rsc.sql.num-rows", Value: "7"}},
				Blacklist:  []upstream.Entry{{Key: "spark.executor.memory"}},
			},
			Master: "local[1]",
		})
		inst, err := rt.Start(t.Context(), upstream.Launch{
			GatewayID: fmt.Sprintf("lc-runsspark-%d", os.Getpid()), Workspace: "default", Name: spec.Name, CPU: spec.CPU,
			Memory: spec.MemoryBytes(), Engine: r.engine, Files: files,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() {
				lines, _ := rt.Logs(context.Background(), inst.GatewayID, 60)
				t.Logf("Livy's log:\n%s", strings.Join(lines, "\n"))
			}
			if err := rt.Stop(context.Background(), inst.GatewayID, upstream.AnyEpoch); err != nil {
				t.Error(err)
			}
		})
		began := time.Now()
		version, err := upstreamtest.WaitReady(t.Context(), rt, inst)
		if err != nil || !upstream.Satisfies(version, r.livy) {
			t.Fatalf("version %q, want %s: %v", version, r.livy, err)
		}
		t.Logf("Livy %s answered after %v", version, time.Since(began).Round(100*time.Millisecond))
		livy := directLivy{t, "http://" + inst.Address}

		t.Run("batch", func(t *testing.T) { livy.batch(t, r.pi) })
		t.Run("blacklist", livy.blacklisted)
		if r.interactive {
			t.Run("session", livy.session)
		}
	})
}

// directLivy speaks to a Livy server without a gateway between.
type directLivy struct {
	t   *testing.T
	url string
}

func (l directLivy) call(t *testing.T, method, path string, body any, want int) map[string]any {
	t.Helper()
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, l.url+path, payload)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s: %s %s %v", method, path, resp.Status, raw, err)
	}
	var reply map[string]any
	if err := json.Unmarshal(raw, &reply); err != nil {
		t.Fatalf("%s %s: %s: %v", method, path, raw, err)
	}
	return reply
}

// until polls path until its state is one of want.
func (l directLivy) until(t *testing.T, path, want string) map[string]any {
	t.Helper()
	var reply map[string]any
	eventually.True(t, 3*time.Minute, path+" becomes "+want, func() bool {
		reply = l.call(t, http.MethodGet, path, nil, http.StatusOK)
		state := fmt.Sprint(reply["state"])
		if state != want && (state == "dead" || state == "error" || state == "killed") {
			t.Fatalf("%s: %v", path, reply)
		}
		return state == want
	})
	return reply
}

func (l directLivy) batch(t *testing.T, file string) {
	began := time.Now()
	reply := l.call(t, http.MethodPost, "/batches", map[string]any{"file": file, "args": []string{"2"}}, http.StatusCreated)
	path := fmt.Sprintf("/batches/%v", reply["id"])
	l.until(t, path, "success")
	log := l.call(t, http.MethodGet, path+"/log?size=-1", nil, http.StatusOK)
	if !strings.Contains(fmt.Sprint(log["log"]), "Pi is roughly 3.") {
		t.Errorf("the job's log: %v", log)
	}
	t.Logf("a batch took %v", time.Since(began).Round(100*time.Millisecond))
}

// Livy keeps spark-blacklist.conf as a second fence.
func (l directLivy) blacklisted(t *testing.T) {
	reply := l.call(t, http.MethodPost, "/batches",
		map[string]any{"file": "local:/x.py", "conf": map[string]string{"spark.executor.memory": "9g"}}, http.StatusBadRequest)
	if !strings.Contains(fmt.Sprint(reply["msg"]), "spark.executor.memory") {
		t.Errorf("the reply: %v", reply)
	}
}

func (l directLivy) session(t *testing.T) {
	began := time.Now()
	reply := l.call(t, http.MethodPost, "/sessions", map[string]any{"kind": "pyspark"}, http.StatusCreated)
	path := fmt.Sprintf("/sessions/%v", reply["id"])
	l.until(t, path, "idle")
	t.Logf("a session was idle after %v", time.Since(began).Round(100*time.Millisecond))
	code := `print(spark.range(101).selectExpr("sum(id)").first()[0], spark.conf.get("spark.ui.enabled"), sc.defaultParallelism)`
	l.call(t, http.MethodPost, path+"/statements", map[string]string{"code": code}, http.StatusCreated)
	statement := l.until(t, path+"/statements/0", "available")
	if out := fmt.Sprint(statement["output"]); !strings.Contains(out, "5050 false 1") {
		t.Errorf("the statement's output: %s", out)
	}
	l.call(t, http.MethodPost, path+"/statements", map[string]string{"kind": "sql", "code": "select * from range(50)"}, http.StatusCreated)
	statement = l.until(t, path+"/statements/1", "available")
	data, _ := json.Marshal(statement["output"])
	if strings.Contains(string(data), "[7]") || !strings.Contains(string(data), "[6]") {
		t.Errorf("livy.rsc.sql.num-rows is not 7: %s", data)
	}
	l.call(t, http.MethodDelete, path, nil, http.StatusOK)
}
