package integration

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// startHistory starts a Spark history server, which ends with the test, and
// returns the lines of the livy block that name it.
func startHistory(t *testing.T) (block string) {
	t.Helper()
	e := preparedEngine()
	require.Need(t, require.Livy, e != nil, "no engine is prepared (make engine)")
	spark, events, port := e.SparkHome, t.TempDir(), sparePort(t)
	if err := os.Chmod(events, 0o777); err != nil { // jobs of several users write there
		t.Fatal(err)
	}
	daemon(t, t.TempDir(), []string{
		"SPARK_HOME=" + spark, "SPARK_CONF_DIR=" + t.TempDir(), "SPARK_DAEMON_MEMORY=512m", "SPARK_LOCAL_IP=127.0.0.1",
		"SPARK_HISTORY_OPTS=-Dspark.history.fs.logDirectory=file:" + events + " -Dspark.history.ui.port=" + port + " -Dspark.history.fs.update.interval=2s",
	}, filepath.Join(spark, "bin", "spark-class"), "org.apache.spark.deploy.history.HistoryServer")
	return "\nhistory_server http://127.0.0.1:" + port + " {\nevent_logs " + events + "\n}"
}

// TestHistoryServer looks at the Spark UI of a batch that has finished, after the
// Livy server and all that it ran in is gone: at a real history server behind the
// gateway.
func TestHistoryServer(t *testing.T) {
	onEachRuntime(t, func(t *testing.T, l live) {
		c := newCaddy(t, storetest.StartServer(t), l.livyBlock+"\nstart_timeout 6m\nlocal_dir "+jobDir(l)+startHistory(t))
		g := c.newGateway("etl")
		if l.runtime == "docker" {
			copyJob(t, g)
		}
		cl := client{t: t, base: c.url(g.ID), token: c.newToken("etl").Token}
		const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		r, err := cl.tryWith("POST", "/batches", map[string]any{
			"file": jobFile(l), "conf": map[string]string{"spark.eventLog.enabled": "false", "spark.eventLog.dir": "file:/elsewhere"},
		}, map[string]string{"traceparent": traceparent})
		if err != nil || r.status != http.StatusCreated {
			t.Fatalf("%d %s %v", r.status, r.body, err)
		}
		if state, log := cl.batchDone(0); state != "success" {
			t.Fatalf("the batch is %s:\n%s", state, log)
		}
		checkMetrics(t, c)
		c.livy("gateway", "stop", "etl", "--wait")
		if l.runtime == "docker" && docker("inspect", g.container()) == nil {
			t.Fatal("the container is still there")
		}
		site := client{t, "http://" + c.all, cl.token}
		checkPastUI(t, c, site)
		var rec struct{ SparkUI, AppID string }
		c.json(&rec, "session", "show", "--gateway", "etl", "batch:0", "--json")
		environment := site.do("GET", rec.SparkUI+"/history/"+rec.AppID+"/environment/", nil)
		if !strings.Contains(string(environment.body), traceparent) {
			t.Error("the application does not know the trace of its create")
		}
	})
}

// checkMetrics checks what the gateway etl counted of a batch on a real Livy.
func checkMetrics(t *testing.T, c *caddy) {
	t.Helper()
	for _, sample := range []string{
		`caddy_livy_ends_total{gateway="default/etl",kind="batch",state="success"}`,
		`caddy_livy_create_ready_seconds_sum{gateway="default/etl",kind="batch",start=`,
		`caddy_livy_vcore_seconds_total{gateway="default/etl"}`,
		`caddy_livy_start_seconds_sum{gateway="default/etl"}`,
		`caddy_livy_request_livy_seconds_sum{class="create",gateway="default/etl"}`,
		`caddy_livy_server_cpu_seconds_total{gateway="default/etl"}`,
		`caddy_livy_server_memory_bytes{gateway="default/etl"}`,
	} {
		eventually(t, time.Minute, sample, func() bool {
			_, after, ok := strings.Cut(adminGet(t, c, "/metrics"), "\n"+sample)
			return ok && !strings.HasPrefix(after, " 0\n")
		})
	}
}

// checkPastUI looks at the Spark UI of batch 0 of the gateway etl at the history
// server: the application's own pages are there, and no others.
func checkPastUI(t *testing.T, c *caddy, site client) {
	t.Helper()
	var rec struct{ ID, SparkUI, AppID string }
	show := func() { c.json(&rec, "session", "show", "--gateway", "etl", "batch:0", "--json") }
	show()
	var first string
	eventually(t, 2*time.Minute, "the history server showing the batch", func() bool {
		r := site.do("GET", rec.SparkUI+"/", nil)
		if r.status != http.StatusOK && r.status != http.StatusServiceUnavailable {
			t.Fatalf("%d %s", r.status, r.body)
		}
		first = string(r.body)
		return r.status == http.StatusOK
	})
	show() // by now its application is known
	own := rec.SparkUI + "/history/" + rec.AppID
	for _, want := range []string{"Spark Jobs", `="` + rec.SparkUI + `/static/`, `="` + own + `/stages/`} {
		if rec.AppID == "" || !strings.Contains(first, want) {
			t.Errorf("the first page of application %q is without %s: %.900s", rec.AppID, want, first)
		}
	}
	for path, want := range map[string]string{
		own + "/jobs/": "Spark Jobs", own + "/stages/": "Stages for All Jobs", own + "/environment/": "spark.ui.proxyBase",
		own + "/executors/": "Executors", own + "/SQL/": "SQL",
		rec.SparkUI + "/static/webui.css":                                          "table",
		rec.SparkUI + "/api/v1/applications/" + rec.AppID + "/allexecutors":        "driver",
		rec.SparkUI + "/api/v1/applications/" + rec.AppID + "/stages?details=true": "stageId",
	} {
		if r := site.do("GET", path, nil); r.status != http.StatusOK || !strings.Contains(string(r.body), want) {
			t.Errorf("%s: %d %.300s", path, r.status, r.body)
		}
	}
	for _, path := range []string{"/home", "/api/v1/applications", "/api/v1/applications/local-1/jobs", "/history/local-1/jobs/", "/api/v1/version", "/jobs/"} {
		if r := site.do("GET", rec.SparkUI+path, nil); r.status != http.StatusNotFound {
			t.Errorf("%s: %d %.300s", path, r.status, r.body)
		}
	}
	if r := c.withUILink("etl", rec.ID, own+"/jobs/"); r.status != http.StatusOK || !strings.Contains(string(r.body), "Spark Jobs") {
		t.Errorf("with the cookie of a link: %d %.300s", r.status, r.body)
	}
}
