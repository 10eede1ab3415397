package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store/storetest"
)

// sparkContainer starts a Spark daemon from the engine image in a Docker network.
func sparkContainer(t *testing.T, network, name string, options []string, class string, args ...string) {
	t.Helper()
	run := append([]string{"run", "-d", "--network", network, "--network-alias", name, "--hostname", name, "-e", "SPARK_DAEMON_MEMORY=256m"}, options...)
	run = append(run, "--entrypoint", "/opt/spark/bin/spark-class", image(), class)
	out, err := exec.Command("docker", append(run, args...)...).CombinedOutput()
	id := strings.TrimSpace(string(out))
	if err != nil {
		t.Fatalf("starting %s: %v: %s", name, err, id)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := exec.Command("docker", "logs", "--tail", "15", id).CombinedOutput()
			t.Logf("%s:\n%s", name, log)
		}
		_ = exec.Command("docker", "rm", "-f", "-v", id).Run()
	})
}

// workersDir is where workers keep what they run, in their containers.
const workersDir = "/home/livy/workers"

// clusterJob looks on both workers at once at what is there: the environment's
// Python, and the gateway's directory.
const clusterJob = `
import json, socket, sys
from pyspark.sql import SparkSession
sc = SparkSession.builder.getOrCreate().sparkContext
def look(_=None):
    import shipped
    seen = {"host": socket.gethostname(), "python": sys.prefix, "module": shipped.NAME}
    try:
        with open("/mnt/scratch/in.txt") as f:
            seen["read"] = f.read()
        with open("/mnt/scratch/from-" + seen["host"], "w") as f:
            f.write(seen["read"].upper())
    except FileNotFoundError as e:
        seen["missing"] = e.filename
    return seen
workers = sc.parallelize(range(2), 2).barrier().mapPartitions(lambda _: [look()]).collect()
with open("/mnt/scratch/out.json", "w") as f:
    json.dump({"Master": sc.master, "Driver": look(), "Workers": {w["host"]: w for w in workers}}, f)
`

// TestStandaloneClusterInContainers runs a container's jobs on a Spark cluster in
// the same network. One of its machines mounts the gateway's directory, as an
// operator has them all do, and the other one does not.
func TestStandaloneClusterInContainers(t *testing.T) {
	network := "livygw-test-" + sparePort(t)
	t.Cleanup(func() { _ = docker("network", "rm", network) }) // after the containers in it
	l := dockerLive(t)
	if err := docker("network", "create", network); err != nil {
		t.Fatal(err)
	}
	scratch, env, page := t.TempDir(), t.TempDir(), sparePort(t)
	packPython(t, env)
	for name, text := range map[string]string{"in.txt": "read me", "job.py": clusterJob} {
		if err := os.WriteFile(filepath.Join(scratch, name), []byte(text), 0o644); err != nil { // read by the containers' user
			t.Fatal(err)
		}
	}
	for dir, mode := range map[string]os.FileMode{scratch: 0o777, env: 0o755} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	cluster := standalone{"spark://spark-master:7077", "http://127.0.0.1:" + page + "/json/"}
	sparkContainer(t, network, "spark-master", []string{"-p", "127.0.0.1:" + page + ":8080"},
		"org.apache.spark.deploy.master.Master", "--host", "spark-master", "--port", "7077", "--webui-port", "8080")
	for name, options := range map[string][]string{"mounting": {"-v", scratch + ":/mnt/scratch"}, "bare": nil} {
		sparkContainer(t, network, name, options, "org.apache.spark.deploy.worker.Worker",
			"--cores", "1", "--memory", "1g", "--work-dir", workersDir, cluster.url)
	}
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock+`
		start_timeout 6m
		cluster lab {
			master `+cluster.url+`
		}
		network lab {
			docker_network `+network+`
		}
		environment analytics {
			dir `+env+`
			archives packed.tar.gz#packed
			env PYSPARK_PYTHON ./packed/bin/python
		}
		directory scratch {
			type local
			source `+scratch+`
			path /mnt/scratch
		}`)
	c.newGateway("etl", "--cluster", "lab", "--network", "lab", "--environment", "analytics", "--directory", "scratch")
	eventually(t, 2*time.Minute, "two workers", func() bool { return cluster.alive() == 2 })

	cl := client{t, c.url("etl"), c.newToken("etl").Token}
	var b batch
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{
		"file": "file:/mnt/scratch/job.py", "driverMemory": "512m", "executorMemory": "512m",
		"conf": map[string]string{"spark.scheduler.barrier.maxConcurrentTasksCheck.interval": "1s"},
	}, &b)
	if state, log := cl.batchDone(b.ID); state != "success" {
		t.Fatalf("the batch ended %s:\n%s", state, log)
	}
	type seen struct{ Python, Module, Read, Missing string }
	var out struct {
		Master  string
		Driver  seen
		Workers map[string]seen
	}
	text, err := os.ReadFile(filepath.Join(scratch, "out.json"))
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatalf("what the driver wrote into its directory: %v: %s", err, text)
	}
	if out.Master != cluster.url || out.Driver.Read != "read me" || out.Driver.Python != "/home/livy/packed" {
		t.Errorf("the driver on %s: %+v", out.Master, out.Driver)
	}
	if w := out.Workers["mounting"]; w.Read != "read me" || w.Missing != "" {
		t.Errorf("on the machine that mounts the directory: %+v", w)
	}
	if written, err := os.ReadFile(filepath.Join(scratch, "from-mounting")); string(written) != "READ ME" {
		t.Errorf("an executor wrote %q, %v", written, err)
	}
	if w := out.Workers["bare"]; w.Read != "" || w.Missing != "/mnt/scratch/in.txt" {
		t.Errorf("on the machine that does not: %+v", w)
	}
	for name, w := range out.Workers {
		if w.Module != "from an archive" || !strings.HasSuffix(w.Python, "/packed") || !strings.HasPrefix(w.Python, workersDir+"/") {
			t.Errorf("Python on %s: %+v", name, w)
		}
	}
	var rec struct {
		Resources struct {
			MountCost struct{ MilliCPU, MemoryBytes int64 }
		}
	}
	c.json(&rec, "session", "show", "--gateway", "etl", fmt.Sprintf("batch:%d", b.ID), "--json")
	if cost := rec.Resources.MountCost; cost.MilliCPU != 300 || cost.MemoryBytes != 1<<30 {
		t.Errorf("on record as the mount's cost: %+v", cost)
	}
	const note = "mountToExecutor has no effect on spark://"
	if notes := notesOf(c, "etl"); strings.Contains(notes, note) {
		t.Errorf("notes on what nobody asked for: %s", notes)
	}
	c.livy("gateway", "update", "etl", "--mount-to-executor")
	if notes := notesOf(c, "etl"); !strings.Contains(notes, note) {
		t.Errorf("notes %q, without what mountToExecutor does there", notes)
	}
}
