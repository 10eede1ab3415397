package integration

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// checkNotebook runs a query in a notebook of sparkmagic, whose task runs in an executor's pod.
func (k kubernetes) checkNotebook(t *testing.T, c *caddy, namespace, token string) {
	n := openNotebook(t, clientPython(t, "sparkmagic"), c.url("kube"), token)
	n.run(`%%configure -f
{"driverMemory": "512m", "executorMemory": "512m", "executorCores": 1, "numExecutors": 1}`)
	began := time.Now()
	if got := n.run(`print(spark.range(1, 101).groupBy().sum("id").first()[0])`); !strings.Contains(got, "5050") {
		t.Fatalf("the query shows %s", got)
	}
	t.Logf("first cell: %v", time.Since(began).Round(100*time.Millisecond))
	began = time.Now()
	ran := n.run(`import socket
print(sc.parallelize([0], 1).map(lambda _: socket.gethostname()).first())`)
	t.Logf("second cell: %v", time.Since(began).Round(100*time.Millisecond))

	var rec struct{ ID, State string }
	c.json(&rec, "session", "show", "--gateway", "kube", "session:1", "--json")
	executors := "spark-role=executor,livygateway/record=" + rec.ID
	if pods := k.pods(t, namespace, executors, "{.metadata.name}"); len(pods) != 1 || strings.TrimSpace(ran) != pods[0] {
		t.Errorf("the task ran in %q, and the executors are %q", ran, pods)
	}
	n.close() // which ends the session
	eventually(t, time.Minute, "the end of the notebook's executors", func() bool {
		return len(k.pods(t, namespace, executors, "{.metadata.name}")) == 0
	})
}

// checkAirflow runs batches with a LivyOperator, whose drivers are pods: one that succeeds, and one
// that fails.
func (k kubernetes) checkAirflow(t *testing.T, c *caddy, namespace, token string) {
	python := clientPython(t, "airflow")
	env := airflowEnv(t, python, map[string]any{
		"conn_type": "livy", "host": c.url("kube"), "extra": map[string]string{tokenHeader: token},
	}, map[string]any{
		"file": "local:/opt/spark/examples/src/main/python/pi.py", "args": []string{"2"},
		"driver_memory": "512m", "executor_memory": "512m", "executor_cores": 1, "num_executors": 1,
	})
	began := time.Now()
	number, _ := runAirflow(t, env, python)
	t.Logf("LivyOperator: %v", time.Since(began).Round(100*time.Millisecond))
	app := k.checkBatchRecord(t, c, number)
	if drivers := k.pods(t, namespace, "spark-role=driver,spark-app-selector="+app, "{.status.phase}"); !slices.Equal(drivers, []string{"Succeeded"}) {
		t.Errorf("the drivers of %s are %q", app, drivers)
	}
	began = time.Now()
	state, _, out := endOfAirflow(t, append(env, "LIVY_BATCH="+asJSON(t, map[string]any{
		"file": failingFile, "driver_memory": "512m", "executor_memory": "512m", "executor_cores": 1, "num_executors": 1,
	})), python)
	t.Logf("a failed LivyOperator: %v", time.Since(began).Round(100*time.Millisecond))
	if state != "failed" || !strings.Contains(out, "did not succeed") {
		t.Errorf("the state of a batch that failed is %q:\n%s", state, out)
	}
}

// checkBrowser looks at a session's Spark UI, which lists the driver and two executors, in a browser.
func (k kubernetes) checkBrowser(t *testing.T, c *caddy, record string) {
	needBrowser(t)
	var rec struct{ SparkUI, Name string }
	c.json(&rec, "session", "show", "--gateway", "kube", record, "--json")
	b := lookAtSparkUI(t, c, "kube", record, rec.SparkUI)
	if title := b.text("document.title"); rec.Name == "" || !strings.HasPrefix(title, rec.Name+" - ") {
		t.Errorf("the page of %q is titled %q", rec.Name, title)
	}
	b.await("the executors beside the driver", "document.querySelectorAll('#active-executors-table tbody tr').length == 3")
}
