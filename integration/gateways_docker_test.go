package integration

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// otherImage is an engine image of another Spark than image's.
func otherImage() string {
	return setting("LIVYGW_OTHER_IMAGE", "livygateway/livy:0.8.0-spark3.4.4")
}

// gatewayJob is what a session does to see what its gateway gives it: modules of the
// environment, its packed Python, a variable, files in a mounted directory, and the
// same query with and without the accelerator.
const gatewayJob = `
import json, os, time, greet
with open("/mnt/scratch/in.txt") as f:
    text = f.read()
with open("/mnt/scratch/out.txt", "w") as f:
    f.write(text.upper())
spark.range(0, 2000000, 1, 2).selectExpr("id % 1000 AS k", "id AS v").write.mode("overwrite").parquet("file:///mnt/scratch/data")
def run(enabled):
    spark.conf.set("spark.comet.enabled", enabled)
    df = spark.read.parquet("file:///mnt/scratch/data").groupBy("k").sum("v").orderBy("k")
    began = time.time()
    rows = df.collect()
    plan = df._jdf.queryExecution().executedPlan().toString()
    return {"sum": sum(r[1] for r in rows), "plan": plan, "seconds": time.time() - began}
run("true")
from pyspark import SparkFiles
import sys, shipped
def worker(_):
    import sys, shipped
    return sys.prefix + " " + shipped.NAME
resource = spark._jvm.java.lang.Thread.currentThread().getContextClassLoader().getResource("shouter.txt")
out = {"driver": sys.prefix, "worker": sc.parallelize([0], 1).map(worker).first(), "same": os.path.exists(SparkFiles.get("packed") + "/bin/python"), "zone": spark.conf.get("spark.sql.session.timeZone"), "timeout": spark.conf.get("spark.sql.broadcastTimeout"), "file": open(SparkFiles.get("greeting.txt")).read(), "archive": shipped.NAME, "jar": str(resource), "greeting": greet.hello(), "stage": os.environ.get("STAGE"), "partitions": spark.conf.get("spark.sql.shuffle.partitions"), "on": run("true"), "off": run("false"), "version": spark.version}
print("<<<" + json.dumps(out) + ">>>")
`

// TestGatewayParameters shows the parameters of gateways on real containers: a
// request wakes a gateway with an environment, a mounted directory, a network and
// an accelerator, and another one runs beside it with another Spark.
func TestGatewayParameters(t *testing.T) {
	network := "livygw-test-" + sparePort(t)
	t.Cleanup(func() { _ = docker("network", "rm", network) }) // after the containers in it
	l := dockerLive(t)
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	redis := storetest.StartServer(t)
	scratch, env := t.TempDir(), t.TempDir()
	if err := docker("network", "create", network); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		filepath.Join(env, "greeting.txt"):   "from a file",
		filepath.Join(env, "greet.py"):       "def hello():\n    return 'hello from the environment'\n",
		filepath.Join(scratch, "in.txt"):     "read me",
		filepath.Join(scratch, "version.py"): "from pyspark import SparkContext\nsc = SparkContext()\nopen('/mnt/scratch/version.txt', 'w').write(sc.version)\nprint(sc.parallelize(range(10)).sum())\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { // read by the container's user
			t.Fatal(err)
		}
	}
	packPython(t, env)
	packJar(t, filepath.Join(env, "shouter.jar"))
	for dir, mode := range map[string]os.FileMode{scratch: 0o777, env: 0o755} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	c := newCaddy(t, redis, l.livyBlock+`
		engine spark-3.4 {
			spark 3.4.4
			image `+otherImage()+`
		}
		start_timeout 6m
		fusion comet
		fusion own {
			jars local:/opt/fusion/nowhere.jar
		}
		network lab {
			docker_network `+network+`
		}
		environment analytics {
			dir `+env+`
			py_files greet.py
			files greeting.txt
			archives packed.tar.gz#packed
			jars shouter.jar
			conf spark.sql.shuffle.partitions 4
			env STAGE prod
			env PYSPARK_PYTHON ./packed/bin/python
		}
		directory scratch {
			type local
			source `+scratch+`
			path /mnt/scratch
		}`)

	t.Run("a jar that is missing", func(t *testing.T) { missingJar(t, c) })
	public := publicSite(t, c)
	var session *running
	t.Run("woken", func(t *testing.T) { session = wokenGateway(t, c, scratch, network) })
	if session == nil {
		return
	}
	t.Run("without a restart", func(t *testing.T) { session.withoutRestart(t, public) })
	t.Run("another Spark beside it", func(t *testing.T) { otherSpark(t, c, scratch) })
}

// missingJar starts a gateway whose acceleration is not in the engine's image.
func missingJar(t *testing.T, c *caddy) {
	c.livy("gateway", "create", "nojar", "--fusion", "own", "--start")
	var g gateway
	eventually(t, time.Minute, "the error", func() bool {
		g = c.show("nojar")
		return g.Status.State == "Error"
	})
	if want := `fusion own: jars: is not in engine spark-3.5 (got "local:/opt/fusion/nowhere.jar")`; g.Status.Reason != want {
		t.Errorf("reason %q, want %q", g.Status.Reason, want)
	}
	c.livy("gateway", "delete", "nojar", "--force")
}

func wokenGateway(t *testing.T, c *caddy, scratch, network string) *running {
	conf := t.TempDir()
	args := confFiles(t, conf)
	// Deleted with the outer test's container cleanup: the other engine runs beside it.
	c.livy(append([]string{
		"gateway", "create", "etl", "--cpu", "2", "--memory", "4Gi", "--environment", "analytics", "--directory", "scratch",
		"--network", "lab", "--fusion", "comet", "--auto-start", "--auto-start-wait", "360", "--auto-stop", "45",
	}, args...)...)
	cl := client{t, c.url("etl"), c.newToken("etl").Token}
	began := time.Now()
	r, err := patient(cl, "POST", "/sessions", map[string]any{
		"kind": "pyspark", "driverMemory": "1g", "conf": map[string]string{"spark.sql.shuffle.partitions": "99", "spark.sql.broadcastTimeout": "1"},
	})
	if err != nil || r.status != http.StatusCreated {
		t.Fatalf("creating a session: %d %s %v", r.status, r.body, err)
	}
	t.Logf("a request woke the gateway and had its session after %v", time.Since(began).Round(time.Second))
	var session struct{ ID int }
	if err := json.Unmarshal(r.body, &session); err != nil {
		t.Fatal(err)
	}

	g := c.show("etl")
	limits, err := exec.Command("docker", "inspect", "--format",
		"{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.NetworkMode}} {{index .Config.Labels \"io.github.livygateway.name\"}}", g.container()).Output()
	if want := fmt.Sprintf("2000000000 %d %s etl", 4<<30, network); err != nil || strings.TrimSpace(string(limits)) != want {
		t.Errorf("the container has %q, want %q (%v)", limits, want, err)
	}

	path := fmt.Sprintf("/sessions/%d", session.ID)
	state := ""
	eventually(t, 6*time.Minute, "an idle session", func() bool {
		var s struct{ State string }
		cl.expect(http.StatusOK, "GET", path, nil, &s)
		state = s.State
		return state != "starting" && state != "not_started"
	})
	if state != "idle" {
		t.Fatalf("the session is %s:\n%s", state, cl.do("GET", path+"/log?from=0&size=200", nil).body)
	}
	cl.expect(http.StatusCreated, "POST", path+"/statements", map[string]string{"code": gatewayJob}, nil)
	var st struct {
		State  string
		Output struct {
			Data      map[string]string
			EValue    string
			Traceback []string
		}
	}
	eventually(t, 5*time.Minute, "the statement's result", func() bool {
		cl.expect(http.StatusOK, "GET", path+"/statements/0", nil, &st)
		return st.State == "available" || st.State == "error"
	})
	_, text, found := strings.Cut(st.Output.Data["text/plain"], "<<<")
	text, _, _ = strings.Cut(text, ">>>")
	var out struct {
		Greeting, Stage, Partitions, Version string
		File, Archive, Jar, Driver, Worker   string
		Zone, Timeout                        string
		Same                                 bool
		On, Off                              struct {
			Sum     int64
			Plan    string
			Seconds float64
		}
	}
	if err := json.Unmarshal([]byte(text), &out); !found || err != nil {
		t.Fatalf("the statement showed %+v", st.Output)
	}
	if out.Greeting != "hello from the environment" || out.Stage != "prod" || out.Partitions != "4" {
		t.Errorf("the environment: %+v", out)
	}
	if out.File != "from a file" || out.Archive != "from an archive" || !strings.HasSuffix(out.Jar, "shouter.jar!/shouter.txt") {
		t.Errorf("the environment's file %q, archive %q, jar %q", out.File, out.Archive, out.Jar)
	}
	const python = "/home/livy/packed"
	if out.Driver != python || out.Worker != python+" from an archive" || !out.Same {
		t.Errorf("driver %q and worker %q run Python; want the packed one", out.Driver, out.Worker)
	}
	if out.Zone != "Asia/Tokyo" || out.Timeout != "77" {
		t.Errorf("time zone %q and timeout %q; want those of spark-defaults.conf, of which one is blacklisted", out.Zone, out.Timeout)
	}
	if written, err := os.ReadFile(filepath.Join(scratch, "out.txt")); string(written) != "READ ME" {
		t.Errorf("written into the mounted directory: %q, %v", written, err)
	}
	if !strings.Contains(out.On.Plan, "CometHashAggregate") || strings.Contains(out.Off.Plan, "Comet") {
		t.Errorf("plan with Comet:\n%s\nwithout:\n%s", out.On.Plan, out.Off.Plan)
	}
	if out.On.Sum != 1999999000000 || out.Off.Sum != out.On.Sum {
		t.Errorf("sums %d and %d", out.On.Sum, out.Off.Sum)
	}
	t.Logf("Spark %s, the same query %.2f s with Comet and %.2f s without; plan:\n%s", out.Version, out.On.Seconds, out.Off.Seconds, out.On.Plan)
	return &running{c, cl, path}
}

// patient is try without the client's own time limit.
func patient(cl client, method, path string, body any) (reply, error) {
	old := httpClient.Timeout
	httpClient.Timeout = 8 * time.Minute
	defer func() { httpClient.Timeout = old }()
	return cl.try(method, path, body)
}

func otherSpark(t *testing.T, c *caddy, scratch string) {
	require.Need(t, require.OtherImage, docker("image", "inspect", otherImage()) == nil,
		"image "+otherImage()+" is not there (scripts/build-engine-image --spark 3.4.4)")
	c.newGateway("old", "--engine", "spark-3.4", "--directory", "scratch")
	if g := c.show("etl"); g.Status.State != "Running" {
		t.Errorf("the gateway beside it is %s", g.Status.State)
	}
	cl := client{t, c.url("old"), c.newToken("old").Token}
	var b batch
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": "file:/mnt/scratch/version.py", "driverMemory": "1g"}, &b)
	if state, log := cl.batchDone(b.ID); state != "success" {
		t.Fatalf("the batch ended %s:\n%s", state, log)
	}
	if version, err := os.ReadFile(filepath.Join(scratch, "version.txt")); string(version) != "3.4.4" {
		t.Errorf("the job ran on Spark %q, %v", version, err)
	}
	stopsByItself(t, c, "old", "etl")
}

// stopsByItself lets two gateways stop when they are idle for a minute: the one
// does, since all that it ran is done, and the other, with a session that Livy has
// not yet timed out, does not.
func stopsByItself(t *testing.T, c *caddy, idle, working string) {
	for _, name := range []string{idle, working} {
		c.livy("gateway", "update", name, "--auto-stop", "1")
	}
	container := c.show(idle).container()
	var g listed
	eventually(t, 3*time.Minute, "an idle gateway stopping", func() bool {
		g = c.list()[idle]
		return g.Status.State == "Stopped"
	})
	if docker("inspect", container) == nil {
		t.Error("the container of the stopped gateway is still there")
	}
	var all struct {
		History []struct{ Actor, Cause string }
	}
	c.json(&all, "gateway", "show", idle, "--json")
	stopping := all.History[len(all.History)-2]
	if stopping.Actor != "gateway" || stopping.Cause != "idle for 1 minute" {
		t.Errorf("stopped by %q because of %q", stopping.Actor, stopping.Cause)
	}
	time.Sleep(5 * time.Second) // polls of the other one, whose minute is over too
	if state := c.show(working).Status.State; state != "Running" {
		t.Errorf("the gateway with a session is %s", state)
	}
}

// packPython packs a Python environment as it is for the engine image: made by the
// image's own Python, with one module.
func packPython(t *testing.T, dir string) {
	t.Helper()
	work := t.TempDir()
	out, err := exec.Command("docker", "run", "--rm", "--user", "0", "--network", "none", "-v", work+":/out", "--entrypoint", "python3", image(),
		"-m", "venv", "--copies", "--without-pip", "/out/env").CombinedOutput()
	if err != nil {
		t.Fatalf("making a Python environment: %v: %s", err, out)
	}
	site, err := filepath.Glob(filepath.Join(work, "env", "lib", "python3.*", "site-packages"))
	if err != nil || len(site) != 1 {
		t.Fatalf("no place for modules: %q, %v", site, err)
	}
	module := filepath.Join(site[0], "shipped.py")
	write(t, module, "NAME = 'from an archive'\n")
	if err := os.Chmod(module, 0o644); err != nil { // executors may be others
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "packed.tar.gz")
	if out, err := exec.Command("tar", "-czf", archive, "-C", filepath.Join(work, "env"), ".").CombinedOutput(); err != nil {
		t.Fatalf("packing: %v: %s", err, out)
	}
}

// packJar makes a jar with a text in it.
func packJar(t *testing.T, path string) {
	t.Helper()
	jar, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer jar.Close()
	z := zip.NewWriter(jar)
	for name, text := range map[string]string{"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n", "shouter.txt": "loud"} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}
