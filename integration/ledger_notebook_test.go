package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestANotebookOnRecord follows one session of a real notebook through its whole
// life: its record, its Spark UI in a real browser, and its end, which somebody
// else brings about.
func TestANotebookOnRecord(t *testing.T) {
	python := clientPython(t, "sparkmagic")
	l := processLive(t)
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock+`
		directory data {
			type local
			source /srv
			path /srv
		}
		local_dir /srv`) // a process mounts nothing: it has to be there
	g := c.newGateway("etl", "--directory", "data", "--queue", "root.etl")
	tok := c.newToken("etl", "--name", "notebook")

	cl := client{t, c.url("etl"), tok.Token}
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": "file:/srv/there-is-no-such-job.py"}, nil)

	n := openNotebook(t, python, c.url("etl"), tok.Token)
	n.run(`%%configure -f
{"driverMemory": "1g", "driverCores": 1, "executorMemory": "2g", "executorCores": 3, "numExecutors": 2, "queue": "root.other",
 "conf": {"spark.sql.shuffle.partitions": "7"}}`)
	if got := n.run(`print(spark.range(1, 101).groupBy().sum("id").first()[0])`); !strings.Contains(got, "5050") {
		t.Fatalf("the session does not work: %s", got)
	}

	// What the API shows of it.
	var rec struct {
		ID, Kind, State, TokenID, TokenName, ClientAddr, SparkUI, Name string
		PublicID                                                       int64
		Resources                                                      map[string]any
		Policy                                                         struct{ Ignored, Forced []struct{ Key string } }
		MilliCPU, MemoryMB                                             int64
	}
	eventually(t, 15*time.Second, "an idle session on record", func() bool {
		if err := json.Unmarshal([]byte(c.manage("GET", "gateways/etl/records/session:0")), &rec); err != nil {
			t.Fatal(err)
		}
		return rec.State == "idle"
	})
	if rec.Kind != "session" || rec.TokenID != tok.ID || rec.TokenName != "notebook" || rec.ClientAddr != "127.0.0.1" || rec.PublicID != 0 {
		t.Errorf("the record is %+v", rec)
	}
	conf, _ := rec.Resources["conf"].(map[string]any)
	if conf["spark.sql.shuffle.partitions"] != "7" || conf["spark.livygateway.gateway"] != g.ID {
		t.Errorf("its conf is %v", conf)
	}
	delete(rec.Resources, "conf")
	if want := map[string]any{
		"kind": "pyspark", "name": rec.Name, "queue": "root.etl",
		"driverMemory": "1g", "driverCores": 1.0, "executorMemory": "2g", "executorCores": 3.0, "numExecutors": 2.0,
		"heartbeatTimeoutInSecond": 60.0, // sparkmagic asks for it
		"mountCost":                map[string]any{"milliCPU": 300.0, "memoryBytes": float64(1 << 30)},
	}; !reflect.DeepEqual(rec.Resources, want) {
		t.Errorf("its resources are\n%v, want\n%v", rec.Resources, want)
	}
	if rec.MilliCPU != 1300 || rec.MemoryMB != 2048 { // one process: the driver and its mount
		t.Errorf("it takes %d thousandths of a core and %d MiB, want 1300 and 2048", rec.MilliCPU, rec.MemoryMB)
	}
	if text := fmt.Sprint(rec.Policy); !strings.Contains(text, "queue") {
		t.Errorf("the policy's report does not say what became of the queue: %s", text)
	}

	lookAtSparkUI(t, c, "etl", rec.ID, rec.SparkUI)

	// Somebody closes it; who works with the notebook is told.
	var ended struct {
		State, Reason           string
		Created, Started, Ended time.Time
		VCoreSeconds            float64
		MBSeconds               int64
		Log                     []string
	}
	if err := json.Unmarshal([]byte(c.manage("DELETE", "gateways/etl/records/"+rec.ID)), &ended); err != nil {
		t.Fatal(err)
	}
	if ran := ended.Ended.Sub(ended.Started).Seconds(); ended.State != "killed" || !strings.HasPrefix(ended.Reason, "deleted by") ||
		!ended.Started.After(ended.Created) || ran <= 0 || math.Abs(ended.VCoreSeconds-1.3*ran) > 0.1 ||
		math.Abs(float64(ended.MBSeconds)-2048*ran) > 10 || len(ended.Log) == 0 {
		t.Errorf("at its end the record says %+v", ended)
	}
	got := n.run("print(1)")
	for _, want := range []string{"404", "Session '0' not found", "ended at 20", "deleted by", rec.ID} {
		if !strings.Contains(got, want) {
			t.Errorf("the notebook shows of the closed session %q, without %q", got, want)
		}
	}
	n.close()
	var list struct{ Sessions []any }
	cl.expect(http.StatusOK, "GET", "/sessions", nil, &list)
	if recs := c.records("etl"); len(list.Sessions) != 0 || len(recs) != 2 || recs[0].State != "killed" {
		t.Errorf("at the end there are %d sessions and the records %+v", len(list.Sessions), recs)
	}

	// A batch that failed meanwhile: its record says why.
	var failed struct {
		State string
		Log   []string
	}
	if err := json.Unmarshal([]byte(c.manage("GET", "gateways/etl/records/batch:0")), &failed); err != nil {
		t.Fatal(err)
	}
	if log := strings.Join(failed.Log, "\n"); failed.State != "dead" || !strings.Contains(log, "No such file") {
		t.Errorf("the batch is on record as %s, with the log\n%s", failed.State, log)
	}
}

// lookAtSparkUI opens a signed link in a browser and looks around. The browser is left at the
// table of executors.
func lookAtSparkUI(t *testing.T, c *caddy, gatewayName, id, path string) *browser {
	t.Helper()
	var link struct{ Path string }
	if err := json.Unmarshal([]byte(c.manage("POST", "gateways/"+gatewayName+"/records/"+id+"/ui-link")), &link); err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t)
	ui := "http://" + c.all + path
	b.open(ui + "/jobs/") // without the link
	if text := b.text("document.body.innerText"); !strings.Contains(text, "token") || strings.Contains(text, "Spark Jobs") {
		t.Errorf("a browser without a link sees %.200s", text)
	}

	b.open("http://" + c.all + link.Path)
	if at := b.text("location.href"); at != ui+"/jobs/" {
		t.Errorf("the link leads to %s, want %s/jobs/", at, ui)
	}
	b.checkPage("Spark Jobs", ui)
	b.screenshot("jobs")
	if cookies := b.cookies(); len(cookies) != 1 || cookies[0].Path != path || !cookies[0].HTTPOnly {
		t.Errorf("the browser has the cookies %s, want one for %s alone", asJSON(t, cookies), path)
	}
	for _, page := range []struct{ name, title string }{
		{"stages", "Stages for All Jobs"}, {"storage", "Storage"}, {"environment", "Environment"}, {"executors", "Executors"},
	} {
		b.click(`a[href$="/` + page.name + `/"]`)
		b.checkPage(page.title, ui)
	}
	// The page fills itself by asking the driver.
	b.await("the table of executors", "document.querySelector('#active-executors-table tbody')?.innerText.includes('driver') && !document.querySelector('.blockUI')")
	if text := b.text("document.body.innerText"); strings.Contains(text, "Thread Dump") || b.text(`document.querySelectorAll('a[href*="threadDump"]').length`) != "0" {
		t.Errorf("thread dumps are offered: %s", text)
	}
	b.screenshot("executors")

	// Nothing else of this origin can be asked for by the page, nor is the cookie sent there.
	for _, other := range []string{"/sessions", "/sessions/0/log", "/spark-ui/livy-0000000000000000/jobs/"} {
		var status int
		b.eval("fetch("+asJSON(t, c.url(gatewayName)+other)+", {credentials: 'include'}).then(r => r.status, () => 0)", &status)
		if status != 0 {
			t.Errorf("a page of the Spark UI gets %d from %s, want nothing", status, other)
		}
	}
	return b
}

// checkPage checks that a page of Spark is shown with all its styles and
// scripts, all from below the UI's own path.
func (b *browser) checkPage(title, ui string) {
	b.t.Helper()
	if got := b.text("document.title"); !strings.Contains(got, title) {
		b.t.Errorf("%s is titled %q, without %q: %.300s", b.text("location.href"), got, title, b.text("document.body.innerText"))
	}
	var styles []struct {
		From  string
		Rules int
	}
	b.eval("[...document.styleSheets].filter(s => s.href).map(s => ({from: s.href, rules: s.cssRules.length}))", &styles)
	if len(styles) == 0 {
		b.t.Errorf("%s has no styles", title)
	}
	for _, s := range styles {
		if s.Rules == 0 {
			b.t.Errorf("%s: the style sheet %s is empty", title, s.From)
		}
	}
	var parts []struct {
		Name   string
		Status int
	}
	b.eval("performance.getEntriesByType('resource').map(e => ({name: e.name, status: e.responseStatus}))", &parts)
	for _, p := range parts {
		if p.Status != 200 || !strings.HasPrefix(p.Name, ui+"/") {
			b.t.Errorf("%s: %d from %s", title, p.Status, p.Name)
		}
	}
	if len(parts) < 5 {
		b.t.Errorf("%s is made of %d parts only", title, len(parts))
	}
}

// manage asks the management API, below the default workspace.
func (c *caddy) manage(method, path string) string {
	c.t.Helper()
	req, err := http.NewRequest(method, "http://"+c.admin+"/livy/v1/workspaces/default/"+path, http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := httpClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		c.t.Fatalf("%s %s: %d %s %v", method, path, res.StatusCode, text, err)
	}
	return string(text)
}
