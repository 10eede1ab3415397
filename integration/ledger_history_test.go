package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/store/storetest"
)

// startHistory starts a Spark history server, which ends with the test, and
// returns the lines of the livy block that name it.
func startHistory(t *testing.T) (block string) {
	t.Helper()
	spark, events, port := preparedEngine().SparkHome, t.TempDir(), sparePort(t)
	daemon(t, t.TempDir(), []string{
		"SPARK_HOME=" + spark, "SPARK_CONF_DIR=" + t.TempDir(), "SPARK_DAEMON_MEMORY=512m", "SPARK_LOCAL_IP=127.0.0.1",
		"SPARK_HISTORY_OPTS=-Dspark.history.fs.logDirectory=file:" + events + " -Dspark.history.ui.port=" + port + " -Dspark.history.fs.update.interval=2s",
	}, filepath.Join(spark, "bin", "spark-class"), "org.apache.spark.deploy.history.HistoryServer")
	return "\nhistory_server http://127.0.0.1:" + port + " {\nevent_logs " + events + "\n}"
}

// TestHistoryServer looks at the Spark UI of a batch that has finished, at a real
// history server behind the gateway.
func TestHistoryServer(t *testing.T) {
	l := processLive(t)
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock+"\nstart_timeout 6m\nlocal_dir "+jobDir(l)+startHistory(t))
	g := c.newGateway("etl")
	cl := client{t: t, base: c.url(g.ID), token: c.newToken("etl").Token}
	var b batch
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{
		"file": jobFile(l), "conf": map[string]string{"spark.eventLog.enabled": "false", "spark.eventLog.dir": "file:/elsewhere"},
	}, &b)
	if state, log := cl.batchDone(b.ID); state != "success" {
		t.Fatalf("the batch is %s:\n%s", state, log)
	}
	var rec struct{ ID, SparkUI, AppID string }
	show := func() { c.json(&rec, "session", "show", "--gateway", "etl", "batch:0", "--json") }
	show()
	ui := "http://" + c.all + rec.SparkUI
	get := func(url, cookie string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if cookie == "" {
			req.Header.Set(tokenHeader, cl.token)
		} else {
			req.Header.Set("Cookie", cookie)
		}
		once := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := once.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(text)
	}
	var first string
	eventually(t, 2*time.Minute, "the history server showing the batch", func() bool {
		res, text := get(ui+"/", "")
		if res.StatusCode != http.StatusFound && res.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("%d %s", res.StatusCode, text)
		}
		first = res.Header.Get("Location")
		return res.StatusCode == http.StatusFound
	})
	show() // by now its application is known
	own := rec.SparkUI + "/history/" + rec.AppID
	if rec.AppID == "" || first != own+"/jobs/" {
		t.Fatalf("the first page is %q of application %q", first, rec.AppID)
	}
	for path, want := range map[string]string{
		own + "/jobs/": "Spark Jobs", own + "/stages/": "Stages for All Jobs", own + "/environment/": "spark.ui.proxyBase",
		own + "/executors/": "Executors", own + "/SQL/": "SQL",
		rec.SparkUI + "/static/webui.css":                                          "table",
		rec.SparkUI + "/api/v1/applications/" + rec.AppID + "/allexecutors":        "driver",
		rec.SparkUI + "/api/v1/applications/" + rec.AppID + "/stages?details=true": "stageId",
	} {
		res, text := get("http://"+c.all+path, "")
		if res.StatusCode != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%s: %d %.300s", path, res.StatusCode, text)
		}
		if path == own+"/jobs/" {
			for _, link := range []string{`="` + rec.SparkUI + `/static/`, `="` + own + `/stages/`} {
				if !strings.Contains(text, link) {
					t.Errorf("no %s in the page: %.900s", link, text)
				}
			}
		}
	}
	for _, path := range []string{"/home", "/api/v1/applications", "/api/v1/applications/local-1/jobs", "/history/local-1/jobs/", "/api/v1/version", "/jobs/"} {
		if res, text := get(ui+path, ""); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %.300s", path, res.StatusCode, text)
		}
	}

	var link struct{ Path string }
	if err := json.Unmarshal([]byte(c.livy("session", "ui", "--gateway", "etl", rec.ID, "--json")), &link); err != nil {
		t.Fatal(err)
	}
	res, _ := get("http://"+c.all+link.Path, "none=1")
	if len(res.Cookies()) != 1 {
		t.Fatalf("the link: %d %v", res.StatusCode, res.Header)
	}
	cookie := res.Cookies()[0]
	if res, text := get("http://"+c.all+first, cookie.Name+"="+cookie.Value); res.StatusCode != http.StatusOK || !strings.Contains(text, "Spark Jobs") {
		t.Errorf("with the cookie: %d %.300s", res.StatusCode, text)
	}
}
