package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// lightUp starts Caddy and a gateway "etl" with a real Livy, whose policy the
// tests of this file share: a queue, an identity and a blacklist.
func lightUp(t *testing.T, l live) (*caddy, *storetest.Server, gateway) {
	t.Helper()
	redis := storetest.StartServer(t)
	c := newCaddy(t, redis, l.livyBlock)
	livyConf := filepath.Join(c.dir, "livy.conf")
	blacklist := filepath.Join(c.dir, "spark-blacklist.conf")
	write(t, livyConf, "livy.file.local-dir-whitelist = "+jobDir(l)+"/\nlivy.impersonation.enabled = true\n")
	write(t, blacklist, "# what a job may not choose\nspark.executor.memory\n")
	g := c.newGateway("etl", "--queue", "root.etl", "--identity", "etluser",
		"--livy-conf", livyConf, "--spark-blacklist", blacklist)
	if l.runtime == "docker" {
		copyJob(t, g)
	}
	return c, redis, g
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// container is the id of a gateway's container: its instance is that and when it started.
func (g gateway) container() string {
	id, _, _ := strings.Cut(g.Status.Instance, "-")
	return id
}

// jobDir is where Livy finds show_conf.py.
func jobDir(l live) string {
	if l.runtime == "docker" {
		return "/home/livy/jobs"
	}
	return filepath.Join(root, "integration", "clients")
}

func jobFile(l live) string { return "file:" + jobDir(l) + "/show_conf.py" }

// copyJob puts show_conf.py into a gateway's container, for everybody to read.
func copyJob(t testing.TB, g gateway) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "jobs")
	text, err := os.ReadFile(filepath.Join(root, "integration", "clients", "show_conf.py"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "show_conf.py"), text, 0o644); err != nil { // to be read by another user
		t.Fatal(err)
	}
	out, err := exec.Command("docker", "cp", dir, g.container()+":/home/livy/").CombinedOutput()
	if err != nil {
		t.Fatalf("copying the job into the container: %v: %s", err, out)
	}
}

// TestBatch submits a batch by hand: what the policy forbids does not reach
// Spark, what it forces does.
func TestBatch(t *testing.T) {
	onEachRuntime(t, func(t *testing.T, l live) {
		c, redis, g := lightUp(t, l)
		tok := c.newToken("etl")
		cl := client{t, c.url("etl"), tok.Token}

		var b batch
		r := cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{
			"file": jobFile(l), "args": []string{"one", "two words"},
			"executorMemory": "3g", "proxyUser": "root", "queue": "root.other",
			"conf": map[string]string{
				"spark.executor.memory": "3g", "spark.yarn.queue": "root.other",
				"spark.sql.shuffle.partitions": "7",
			},
		}, &b)
		if want := fmt.Sprintf("/api/v1/workspace/default/livycompute/etl/batches/%d", b.ID); r.header.Get("Location") != want {
			t.Errorf("Location %q, want %q", r.header.Get("Location"), want)
		}
		for _, key := range []string{"spark.executor.memory", "executorMemory"} {
			if ignored := r.header.Get("X-Livy-Gateway-Ignored"); !strings.Contains(ignored, key) {
				t.Errorf("X-Livy-Gateway-Ignored is %q, without %s", ignored, key)
			}
		}

		state, log := cl.batchDone(b.ID)
		if state != "success" {
			t.Fatalf("the batch ended %s:\n%s", state, log)
		}
		if !strings.HasPrefix(log, "Livy Gateway ignored ") || !strings.Contains(log, "\nLivy Gateway ignored spark.executor.memory: spark-blacklist.conf, line ") &&
			!strings.HasPrefix(log, "Livy Gateway ignored spark.executor.memory: spark-blacklist.conf, line ") {
			t.Errorf("the log does not begin with what was ignored:\n%.500s", log)
		}
		s := readShown(t, log)
		checkPolicy(t, c, g, s)
		if s.Conf["spark.sql.shuffle.partitions"] != "7" || strings.Join(s.Args, "|") != "one|two words" {
			t.Errorf("what is allowed did not arrive: conf %v, args %q", s.Conf, s.Args)
		}

		eventually(t, 30*time.Second, "the record being brought up to date", func() bool {
			rec := c.records("etl")
			return len(rec) == 1 && rec[0].State == "success"
		})
		assertNowhere(t, tok.Token, c, redis, g)
	})
}

// checkPolicy checks the policy of lightUp on what a job saw.
func checkPolicy(t testing.TB, c *caddy, g gateway, s shown) {
	t.Helper()
	if got, there := s.Conf["spark.executor.memory"]; there {
		t.Errorf("spark.executor.memory = %s reached Spark although it is blacklisted", got)
	}
	if got := s.Conf["spark.livygateway.gateway"]; got != g.ID {
		t.Errorf("spark.livygateway.gateway = %q, want the gateway's id %s", got, g.ID)
	}
	// Spark heeds a queue on YARN only; that it was told is in Livy's log.
	if got := s.Conf["spark.yarn.queue"]; got != "" && got != "root.etl" {
		t.Errorf("spark.yarn.queue = %q, want the gateway's root.etl", got)
	}
	submit := regexp.MustCompile(`(?m)^.*SparkProcessBuilder.*$`).FindString(c.livy("gateway", "logs", g.ID, "--lines", "10000"))
	for want, must := range map[string]bool{
		"'--queue' 'root.etl'": true, "'--proxy-user' 'etluser'": true, "root.other": false, "'--executor-memory'": false,
	} {
		if strings.Contains(submit, want) != must {
			t.Errorf("spark-submit was called with %s: %v, want %v:\n%s", want, !must, must, submit)
		}
	}
	if s.SparkUser != "etluser" {
		t.Errorf("the job ran as %q, want the gateway's etluser", s.SparkUser)
	}
	if s.Sum != 500500 {
		t.Errorf("Spark computed %d, want 500500", s.Sum)
	}
}

// TestAirflow runs a LivyOperator in a real Airflow: one that waits itself, with the token
// in a header, and a deferrable one, with the token as its password.
func TestAirflow(t *testing.T) {
	python := clientPython(t, "airflow")
	onEachRuntime(t, func(t *testing.T, l live) {
		c, redis, g := lightUp(t, l)
		tok := c.newToken("etl")
		run := pinned(t, "Airflow provider", "airflow.txt", "apache-airflow-providers-apache-livy")
		connection := map[string]any{"conn_type": "livy", "host": c.url("etl")}
		create := map[string]any{
			"file": jobFile(l), "args": []string{"from airflow"}, "driver_memory": "1g", "executor_memory": "3g",
			"conf": map[string]string{"spark.executor.memory": "3g"},
		}
		if l.runtime == "docker" {
			connection["extra"] = map[string]string{tokenHeader: tok.Token}
			run.Login, run.Ran = byHeader, "LivyOperator"
		} else {
			connection["login"], connection["password"] = "any", tok.Token
			create["deferrable"] = true
			run.Login, run.Ran = byPassword, "LivyOperator, deferrable"
		}
		env := airflowEnv(t, python, connection, create)
		started := time.Now()
		number, out := runAirflow(t, env, python)
		s := readShown(t, out) // Airflow's task log holds Livy's log
		checkPolicy(t, c, g, s)
		if s.Conf["spark.driver.memory"] != "1g" || strings.Join(s.Args, "|") != "from airflow" {
			t.Errorf("what is allowed did not arrive: conf %v, args %q", s.Conf, s.Args)
		}
		if state, _ := (client{t, c.url("etl"), tok.Token}).batchDone(number); state != "success" {
			t.Errorf("Livy says of batch %d: %s", number, state)
		}
		assertNowhere(t, tok.Token, c, redis, g)
		run.ran(t, started)
	})
}

// airflowEnv prepares a new Airflow for a LivyOperator and returns its environment.
func airflowEnv(t testing.TB, python string, connection, create map[string]any) []string {
	t.Helper()
	env := append(os.Environ(),
		"AIRFLOW_HOME="+t.TempDir(), "AIRFLOW__CORE__LOAD_EXAMPLES=False",
		"AIRFLOW__CORE__DAGS_FOLDER="+filepath.Join(root, "integration", "clients"),
		"PYTHONDONTWRITEBYTECODE=1",
		"AIRFLOW_CONN_LIVY_DEFAULT="+asJSON(t, connection), "LIVY_BATCH="+asJSON(t, create),
	)
	runClient(t, env, filepath.Join(filepath.Dir(python), "airflow"), "db", "migrate")
	return env
}

// runAirflow runs the LivyOperator to its success. It returns the number of its batch and what
// Airflow printed.
func runAirflow(t testing.TB, env []string, python string) (number int, out string) {
	t.Helper()
	state, number, out := endOfAirflow(t, env, python)
	if state != "success" {
		t.Fatalf("Airflow's state is %q\n%s", state, out)
	}
	return number, out
}

// endOfAirflow runs the LivyOperator to its end. It returns the final state, the number of the
// batch if that succeeded, and what Airflow printed.
func endOfAirflow(t testing.TB, env []string, python string) (state string, number int, out string) {
	t.Helper()
	cmd := exec.Command(python, filepath.Join(root, "integration", "clients", "airflow_batch.py"))
	cmd.Env, cmd.Dir = env, t.TempDir()
	text, err := cmd.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var end struct {
		State string
		Batch int
	}
	if json.Unmarshal([]byte(lines[len(lines)-1]), &end) != nil {
		t.Fatalf("Airflow told no state: %v\n%s", err, text)
	}
	return end.State, end.Batch, string(text)
}

// TestSparkmagic runs the cells of a notebook in a real PySpark kernel, once with the token
// in a header and once with it as a password.
func TestSparkmagic(t *testing.T) {
	python := clientPython(t, "sparkmagic")
	onEachRuntime(t, func(t *testing.T, l live) {
		require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
		c, redis, g := lightUp(t, l)
		tok := c.newToken("etl")
		run, started := pinned(t, "sparkmagic", "sparkmagic.txt", "sparkmagic"), time.Now()
		run.Ran, run.Login = "PySpark notebook: code, %%sql", byHeader
		login := []string(nil)
		if l.runtime == "process" {
			run.Login, login = byPassword, []string{"any"}
		}
		n := openNotebook(t, python, c.url("etl"), tok.Token, login...)
		for _, cell := range []struct{ code, want string }{
			{"print(spark.version)", "3.5."},
			{`print(spark.range(1, 101).groupBy().sum("id").first()[0])`, "5050"},
			{"1/0", "ZeroDivisionError"},
			{"%%sql\nSELECT id, id * id AS square FROM range(3) ORDER BY id", "0 0 0 1 1 1 2 2 4"},
			{"%%info", "pyspark"},
			{"%%cleanup -f", ""},
		} {
			if got := n.run(cell.code); !strings.Contains(got, cell.want) {
				t.Errorf("cell %s shows %q, without %q", cell.code, got, cell.want)
			}
		}
		n.close()
		var list struct{ Sessions []any }
		(client{t, c.url("etl"), tok.Token}).expect(http.StatusOK, "GET", "/sessions", nil, &list)
		if len(list.Sessions) != 0 {
			t.Errorf("after %%%%cleanup there still is %v", list.Sessions)
		}
		if rec := c.records("etl"); len(rec) != 1 || rec[0].Kind != "session" {
			t.Errorf("the records are %+v, want one session", rec)
		}
		assertNowhere(t, tok.Token, c, redis, g)
		run.ran(t, started)
	})
}

// TestSurvival ends Caddy in three ways while a gateway runs, and finds the
// same Livy server each time.
func TestSurvival(t *testing.T) {
	onEachRuntime(t, func(t *testing.T, l live) {
		c, _, g := lightUp(t, l)
		tok := c.newToken("etl")
		cl := client{t, c.url("etl"), tok.Token}
		var b batch
		cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": jobFile(l)}, &b)
		if state, log := cl.batchDone(b.ID); state != "success" {
			t.Fatalf("the batch ended %s:\n%s", state, log)
		}
		for _, how := range []struct {
			name string
			do   func()
		}{
			{"reload", c.reload},
			{"stop and start", func() { c.stop(); c.start() }},
			{"kill -9 and start", func() { c.kill(); c.start() }},
		} {
			how.do()
			eventually(t, 15*time.Second, "the gateway after "+how.name, func() bool {
				r, err := cl.try("GET", fmt.Sprintf("/batches/%d/log", b.ID), nil)
				return err == nil && r.status == http.StatusOK
			})
			now := c.show("etl")
			if now.Status.Instance != g.Status.Instance || now.Status.State != "Running" {
				t.Errorf("after %s: instance %s is %s, want %s still Running", how.name,
					now.Status.Instance, now.Status.State, g.Status.Instance)
			}
		}
		// The next batch continues where Livy was.
		var next batch
		cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": jobFile(l)}, &next)
		if next.ID != b.ID+1 {
			t.Errorf("the next batch is %d, want %d", next.ID, b.ID+1)
		}
	})
}

// killLivy ends a gateway's Livy server as the kernel does when memory is short.
func killLivy(t testing.TB, l live, g gateway) {
	t.Helper()
	if l.runtime == "docker" {
		if out, err := exec.Command("docker", "kill", "--signal", "KILL", g.container()).CombinedOutput(); err != nil {
			t.Fatalf("killing the container: %v: %s", err, out)
		}
		return
	}
	pid, _, _ := strings.Cut(g.Status.Instance, "-") // pid and start time
	n, err := strconv.Atoi(pid)
	if err != nil || n < 2 {
		t.Fatalf("no process id in instance %q", g.Status.Instance)
	}
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Fatalf("killing Livy: %v", err)
	}
}

// runClient runs a client program and returns what it prints.
func runClient(t testing.TB, env []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = env
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(program), err, out)
	}
	return string(out)
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
