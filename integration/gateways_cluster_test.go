package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// daemon starts a program in a process group of its own, which ends with the test.
func daemon(t *testing.T, dir string, env []string, program string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := os.CreateTemp(dir, "log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			t.Logf("%s %s:\n%s", filepath.Base(program), args, strings.Join(lines[max(0, len(lines)-15):], "\n"))
		}
	})
	return cmd
}

// standalone is a Spark master with its page.
type standalone struct{ url, page string }

// state is what the master's page says.
func (s standalone) state() (st struct {
	Workers    []struct{ State string }
	ActiveApps []struct {
		Name  string
		Cores int
	}
}, err error,
) {
	res, err := http.Get(s.page)
	if err != nil {
		return st, err
	}
	defer res.Body.Close()
	return st, json.NewDecoder(res.Body).Decode(&st)
}

func (s standalone) alive() (n int) {
	st, _ := s.state()
	for _, w := range st.Workers {
		if w.State == "ALIVE" {
			n++
		}
	}
	return n
}

// TestStandaloneCluster runs a session on a Spark cluster of one master and two
// workers, of which one is killed during a job.
func TestStandaloneCluster(t *testing.T) {
	l := processLive(t)
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	spark := preparedEngine().SparkHome
	dir, port, page := t.TempDir(), sparePort(t), sparePort(t)
	cluster := standalone{"spark://127.0.0.1:" + port, "http://127.0.0.1:" + page + "/json/"}
	env := []string{"SPARK_HOME=" + spark, "SPARK_CONF_DIR=" + dir, "PYSPARK_PYTHON=python3", "SPARK_DAEMON_MEMORY=256m"}
	class := filepath.Join(spark, "bin", "spark-class")
	daemon(t, dir, env, class, "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", page)
	var workers []*exec.Cmd
	for i := range 2 {
		workers = append(workers, daemon(t, dir, env, class, "org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1",
			"--cores", "1", "--memory", "1g", "--webui-port", "0", "--work-dir", filepath.Join(dir, fmt.Sprint("work", i)), cluster.url))
	}
	eventually(t, 2*time.Minute, "two workers", func() bool { return cluster.alive() == 2 })

	c := newCaddy(t, storetest.StartServer(t), l.livyBlock+`
		start_timeout 6m
		cluster lab {
			master `+cluster.url+`
		}`)
	var g struct{ Notes []string }
	c.newGateway("etl", "--cluster", "lab", "--queue", "root.etl")
	c.json(&g, "gateway", "show", "etl", "--json")
	if notes := strings.Join(g.Notes, "\n"); !strings.Contains(notes, "has no effect: spark://") {
		t.Errorf("a queue on a cluster without queues: notes %q", notes)
	}
	cl := client{t, c.url("etl"), c.newToken("etl").Token}
	var session struct{ ID int }
	cl.expect(http.StatusCreated, "POST", "/sessions", map[string]any{
		"kind": "pyspark", "driverMemory": "512m", "executorMemory": "512m",
		"conf": map[string]string{"spark.master": "local[1]"}, // where jobs run is not a client's choice
	}, &session)
	path := fmt.Sprintf("/sessions/%d", session.ID)
	eventually(t, 6*time.Minute, "an idle session", func() bool {
		var s struct{ State string }
		cl.expect(http.StatusOK, "GET", path, nil, &s)
		if s.State == "dead" || s.State == "error" {
			t.Fatalf("the session is %s:\n%s", s.State, cl.do("GET", path+"/log?from=0&size=200", nil).body)
		}
		return s.State == "idle"
	})
	if st, err := cluster.state(); err != nil || len(st.ActiveApps) != 1 || st.ActiveApps[0].Cores != 2 {
		t.Errorf("the master knows %+v, %v; want one application on both workers", st, err)
	}
	cl.expect(http.StatusCreated, "POST", path+"/statements", map[string]string{"code": `
import time
def slow(x):
    time.sleep(2)
    return x * x
print("<<<%d %s>>>" % (sc.parallelize(range(10), 10).map(slow).sum(), sc.master))`}, nil)
	time.Sleep(4 * time.Second) // into the job
	if err := syscall.Kill(-workers[0].Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var st struct {
		State  string
		Output struct{ Data map[string]string }
	}
	eventually(t, 4*time.Minute, "the statement's result", func() bool {
		cl.expect(http.StatusOK, "GET", path+"/statements/0", nil, &st)
		return st.State == "available" || st.State == "error"
	})
	if want := "<<<285 " + cluster.url + ">>>"; !strings.Contains(st.Output.Data["text/plain"], want) {
		t.Errorf("after a worker was killed: %+v, want %s", st.Output, want)
	}
	eventually(t, 2*time.Minute, "the master knowing that a worker is gone", func() bool { return cluster.alive() == 1 })
}
