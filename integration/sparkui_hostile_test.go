package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// annLogin is a login of a site, and its bcrypt hash for Caddy.
const (
	annLogin = "ann:secret-of-ann"
	annHash  = "$2a$04$B3Ba4mzwGf6axxeCWjyMmezRK7nyDjcjmJ2NUS5LsNbx80OSU3mfu"
)

// TestSparkUIsKeepToThemselves shows a browser the Spark UI of a real session, which
// works with all its scripts, and then the one of a session whose driver serves a page
// of its own making. That page tries to read the first session's UI, for which the
// browser has a cookie, and to use the management API, to which it is logged in; all on
// one host, as it should not be, and then with a site of their own for Spark UIs.
//
// Its attempts are made first with the gateway's headers taken away, where they succeed:
// else their failure would say nothing.
func TestSparkUIsKeepToThemselves(t *testing.T) {
	l := processLive(t)
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	require.Need(t, require.Browser, browserProgram() != "", "there is no chromium (apt-get install chromium)")
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock)
	front := startFront(t, c.all)
	plain := strings.Replace(c.text(redisOf(t, c), l.livyBlock), "log\n\tlivy_gateway\n}", "log\n\tlivy_gateway\n\tbasic_auth /v1/* {\n\t\tann "+annHash+"\n\t}\n\tlivy_api\n}", 1)
	c.write(plain)
	c.reload()
	g := c.newGateway("etl")
	cl := client{t: t, base: c.url(g.ID), token: c.newToken("etl").Token}
	for _, enabled := range []string{"true", "false"} {
		cl.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark", "conf": map[string]string{"spark.ui.enabled": enabled}}, nil)
	}
	for _, id := range []string{"0", "1"} {
		eventually(t, 4*time.Minute, "session "+id+" being idle", func() bool {
			var state struct{ State string }
			cl.expect(http.StatusOK, "GET", "/sessions/"+id+"/state", nil, &state)
			return state.State == "idle"
		})
	}
	cl.expect(http.StatusCreated, "POST", "/sessions/0/statements", map[string]any{"code": "" +
		"spark.range(10000).selectExpr('id % 7 as k').groupBy('k').count().createOrReplaceTempView('t')\n" +
		"spark.sql('select * from t order by k').collect()\n" +
		"spark.sparkContext.parallelize(range(100), 4).map(lambda x: (x % 3, x)).reduceByKey(lambda a, b: a + b).collect()"}, nil)
	eventually(t, 4*time.Minute, "the statement's end", func() bool {
		var st struct {
			State  string
			Output struct{ Status string }
		}
		cl.expect(http.StatusOK, "GET", "/sessions/0/statements/0", nil, &st)
		if st.State == "available" && st.Output.Status != "ok" {
			t.Fatalf("the statement ended %+v", st)
		}
		return st.State == "available"
	})
	victim, hostile := c.sparkUIRecord("session:0"), c.sparkUIRecord("session:1")
	evil := startHostileDriver(t, hostile.SparkUI)

	t.Run("one host", func(t *testing.T) {
		b := openBrowser(t)
		b.watch()
		b.open(front.url + c.uiLink(victim.ID).Path)
		b.lookAround(front.url + victim.SparkUI)
		attack := attacks{api: front.url + "/v1", victim: front.url + victim.SparkUI, own: front.url + hostile.SparkUI}
		for _, guarded := range []bool{false, true} {
			front.strip.Store(!guarded)
			b := openBrowser(t)
			b.logIn(front.url)
			b.open(front.url + c.uiLink(victim.ID).Path)
			b.open(front.url + c.uiLink(hostile.ID).Path)
			done := b.attacked(evil, attack)
			t.Logf("guarded %v: %v", guarded, done)
			for _, what := range []string{"fetch API", "create by API", "XHR", "fetch victim", "frame", "window", "worker"} {
				if got := strings.HasPrefix(done[what], "got"); got == guarded {
					t.Errorf("guarded %v: %s: %s", guarded, what, done[what])
				}
			}
			if done["own UI"] != "got" {
				t.Errorf("guarded %v: the page cannot ask its own driver: %s", guarded, done["own UI"])
			}
			if n := strings.Count(c.manage("GET", "gateways"), `"made-by-a-page`); guarded && n != evil.created || !guarded && n == 0 {
				t.Errorf("guarded %v: %d gateways were made by a page", guarded, n)
			} else {
				evil.created = n
			}
		}
		front.strip.Store(false)
	})

	t.Run("a site of their own", func(t *testing.T) {
		ui := "127.0.0.2:" + sparePort(t)
		c.write(strings.Replace(plain, "livy {", "livy {\n\t\tspark_ui http://"+ui, 1) + "http://" + ui + " {\n\tbind 127.0.0.2\n\tlog\n\tlivy_spark_ui\n}\n")
		c.reload()
		site := "http://" + ui
		path := func(id string) string {
			return "/api/v1/workspace/default/livycompute/" + g.ID + "/spark-ui/" + id
		}
		if now := c.sparkUIRecord("session:0"); now.SparkUI != site+path(victim.ID) {
			t.Errorf("the record has the UI at %s", now.SparkUI)
		}
		b := openBrowser(t)
		b.watch()
		link := c.uiLink(victim.ID)
		if !strings.HasPrefix(link.URL, site+path(victim.ID)+"/?") || !strings.HasPrefix(c.livy("session", "ui", "--gateway", "etl", victim.ID), site+path(victim.ID)+"/?") {
			t.Errorf("the link is %+v", link)
		}
		b.open(link.URL)
		b.lookAround(site + path(victim.ID))
		b.logIn(front.url)
		b.open(c.uiLink(hostile.ID).URL)
		attack := attacks{api: front.url + "/v1", victim: site + path(victim.ID), own: site + path(hostile.ID)}
		done := b.attacked(evil, attack)
		t.Logf("%v", done)
		for what, result := range done {
			if what != "own UI" && strings.HasPrefix(result, "got") {
				t.Errorf("%s: %s", what, result)
			}
		}
		if done["own UI"] != "got" {
			t.Errorf("the page cannot ask its own driver: %s", done["own UI"])
		}
	})
}

// uiLink is what "caddy livy session ui --json" prints.
type uiLink struct{ Path, URL string }

func (c *caddy) uiLink(record string) (l uiLink) {
	c.t.Helper()
	c.json(&l, "session", "ui", "--gateway", "etl", record, "--json")
	return l
}

func (c *caddy) sparkUIRecord(ref string) (r struct{ ID, SparkUI string }) {
	c.t.Helper()
	c.json(&r, "session", "show", "--gateway", "etl", ref, "--json")
	return r
}

// redisOf is the address of the Redis that a Caddy was started with.
func redisOf(t testing.TB, c *caddy) string {
	t.Helper()
	text, err := os.ReadFile(c.caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "redis redis://")
	address, _, ok := strings.Cut(rest, "/0")
	if !ok {
		t.Fatalf("no Redis in %s", text)
	}
	return address
}

// front passes everything on to a site, and takes the headers away that guard it while
// strip is on.
type front struct {
	url   string
	strip atomic.Bool
}

func startFront(t testing.TB, site string) *front {
	f := new(front)
	srv := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: site})
			p.Out.Host = p.In.Host
		},
		ModifyResponse: func(r *http.Response) error {
			if f.strip.Load() {
				r.Header.Del("Content-Security-Policy")
				r.Header.Del("X-Content-Type-Options")
				r.Header.Del("X-Frame-Options")
			}
			return nil
		},
	})
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

// hostileDriver is a driver whose UI is a page that attacks the site that shows it.
type hostileDriver struct {
	mu      sync.Mutex
	page    string
	created int
}

func startHostileDriver(t testing.TB, base string) *hostileDriver {
	t.Helper()
	d := new(hostileDriver)
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/applications", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `[{"id":"local-evil"}]`) })
	mux.HandleFunc("/api/v1/applications/local-evil/environment", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"sparkProperties":[["spark.ui.proxyBase",%q]]}`, base)
	})
	mux.HandleFunc("/worker.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, `onmessage = e => fetch(e.data).then(r => r.text()).then(x => postMessage(x), x => postMessage("error " + x))`)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src * 'unsafe-inline'")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		fmt.Fprint(w, d.page)
	})
	for port := 4140; port >= 4040; port-- {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		srv := &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}}
		srv.Start()
		t.Cleanup(srv.Close)
		return d
	}
	t.Fatal("no port is free for a driver's UI")
	return nil
}

// attacks are the addresses that a hostile page tries.
type attacks struct{ api, victim, own string }

// hostilePage tries everything and writes into `done` what came of it: "got" and what
// it read, or why it did not.
const hostilePage = `<!DOCTYPE html><title>hostile</title><body><script>
const api = %q, victim = %q, own = %q, done = {}, wait = ms => new Promise(f => setTimeout(f, ms));
const isUI = x => x.includes("Spark Jobs"), isAPI = x => x.includes('"etl"');
async function attempt(name, f) {
  try { done[name] = await Promise.race([f(), wait(8000).then(() => "nothing happened")]) } catch (e) { done[name] = "error: " + e }
}
const read = (r, ok) => r.text().then(x => ok(x) ? "got" : "status " + r.status + ": " + x.slice(0, 80));
(async () => {
  await attempt("own UI", () => fetch(own + "/api/v1/applications").then(r => read(r, x => x.includes("local-evil"))));
  await attempt("fetch API", () => fetch(api + "/gateways").then(r => read(r, isAPI)));
  await attempt("create by API", () => fetch(api + "/workspaces/default/gateways", {method: "POST",
    headers: {"Content-Type": "application/json"}, body: '{"name":"made-by-a-page-' + Date.now() + '"}'}).then(r => read(r, x => x.includes("made-by-a-page"))));
  await attempt("fetch victim", () => fetch(victim + "/jobs/").then(r => read(r, isUI)));
  await attempt("fetch victim by dots", () => fetch(own + "/../" + victim.split("/").pop() + "/jobs/").then(r => read(r, isUI)));
  await attempt("fetch victim by encoded dots", () => fetch(own + "/%%2e%%2e/" + victim.split("/").pop() + "/jobs/").then(r => read(r, isUI)));
  await attempt("XHR", () => new Promise((ok, no) => { const x = new XMLHttpRequest(); x.open("GET", victim + "/api/v1/applications");
    x.onload = () => ok(x.responseText.includes("attempts") ? "got" : x.responseText.slice(0, 80)); x.onerror = () => no("failed"); x.send() }));
  await attempt("beacon", () => Promise.resolve(navigator.sendBeacon(api + "/workspaces/default/gateways", new Blob(['{"name":"made-by-a-page-b"}'], {type: "application/json"})) ? "sent" : "refused"));
  await attempt("events", () => new Promise((ok, no) => { const e = new EventSource(victim + "/jobs/"); e.onopen = () => ok("got"); e.onerror = () => no("failed") }));
  const frame = async (make) => { const f = document.createElement("iframe"); make(f); document.body.append(f); await wait(2500);
    return isUI(f.contentDocument.documentElement.innerHTML) ? "got" : f.contentDocument.body.innerText.slice(0, 80) };
  await attempt("frame", () => frame(f => f.src = victim + "/jobs/"));
  await attempt("frame in a frame", () => frame(f => f.srcdoc = '<iframe src="' + victim + '/jobs/"></iframe><script>setTimeout(() => document.body.append(document.querySelector("iframe").contentDocument.body.innerText), 1500)<\/script>'));
  await attempt("object", async () => { const o = document.createElement("object"); o.data = victim + "/jobs/"; document.body.append(o); await wait(2500);
    return isUI(o.contentDocument.documentElement.innerHTML) ? "got" : "empty" });
  await attempt("window", async () => { const w = window.open(victim + "/jobs/"); await wait(3000); const x = w.document.documentElement.innerHTML; w.close(); return isUI(x) ? "got" : x.slice(0, 80) });
  await attempt("window of the API", async () => { const w = window.open(api + "/gateways"); await wait(3000); const x = w.document.documentElement.innerHTML; w.close(); return isAPI(x) ? "got" : x.slice(0, 80) });
  const inWorker = (make) => new Promise((ok, no) => { const w = make(); w.onerror = e => no("no worker"); w.onmessage = e => ok(isUI(e.data) ? "got" : e.data.slice(0, 80)); w.postMessage(victim + "/jobs/") });
  await attempt("worker", () => inWorker(() => new Worker(own + "/worker.js")));
  await attempt("worker from a blob", () => inWorker(() => new Worker(URL.createObjectURL(new Blob(['onmessage = e => fetch(e.data).then(r => r.text()).then(x => postMessage(x), x => postMessage("error " + x))'])))));
  await attempt("service worker", () => navigator.serviceWorker.register(own + "/worker.js").then(() => "got"));
  await attempt("script", () => new Promise((ok, no) => { const s = document.createElement("script"); s.src = victim + "/static/webui.js"; s.onload = () => ok("got"); s.onerror = () => no("refused"); document.head.append(s) }));
  await attempt("form", async () => { const i = document.createElement("iframe"); i.name = "target"; document.body.append(i);
    const f = document.createElement("form"); f.action = api + "/workspaces/default/gateways"; f.method = "POST"; f.target = "target"; f.enctype = "text/plain";
    f.innerHTML = '<input name=\'{"name":"made-by-a-page-f","x":"\' value=\'"}\'>'; document.body.append(f); f.submit(); await wait(1500); return "sent" });
  window.finished = JSON.stringify(done);
})();
</script>`

// logIn opens the management API with the operator's login, which the browser keeps.
func (b *browser) logIn(site string) {
	b.t.Helper()
	b.open(strings.Replace(site, "http://", "http://"+annLogin+"@", 1) + "/v1/gateways")
	if text := b.text("document.body.innerText"); !strings.Contains(text, `"etl"`) {
		b.t.Fatalf("the operator is not logged in to the API: %.200s", text)
	}
}

// attacked lets the hostile page do what it can in the browser, and returns what came
// of it.
func (b *browser) attacked(d *hostileDriver, a attacks) map[string]string {
	b.t.Helper()
	d.mu.Lock()
	d.page = fmt.Sprintf(hostilePage, a.api, a.victim, a.own)
	d.mu.Unlock()
	b.open(a.own + "/jobs/")
	d.mu.Lock()
	d.page = "" // links that are opened later lead to a page that does nothing
	d.mu.Unlock()
	if title := b.text("document.title"); title != "hostile" {
		b.t.Fatalf("the hostile page is not shown but %s: %.300s", title, b.text("document.body.innerText"))
	}
	done := map[string]string{}
	eventually(b.t, 2*time.Minute, "the end of the attacks", func() bool {
		// While the page's frames come and go, single questions to it can fail.
		ctx, cancel := context.WithTimeout(b.page, time.Minute)
		defer cancel()
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`String(window.finished || "")`))
		return err == nil && json.Unmarshal([]byte(text), &done) == nil
	})
	return done
}

// watch notes, in every page from now on, what its Content-Security-Policy refuses and
// which of its scripts fail.
func (b *browser) watch() {
	b.t.Helper()
	const script = `window.complaints = [];
document.addEventListener("securitypolicyviolation", e => complaints.push(e.violatedDirective + ": " + e.blockedURI + " " + e.sample));
window.addEventListener("error", e => complaints.push("script: " + e.message));
window.addEventListener("unhandledrejection", e => complaints.push("promise: " + e.reason));`
	if _, err := chromedp.Call(b.page, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script}); err != nil {
		b.t.Fatalf("watching the pages: %v", err)
	}
}

// lookAround uses the pages of a real Spark UI, in which SQL and RDDs were computed.
func (b *browser) lookAround(ui string) {
	b.t.Helper()
	for _, step := range []struct{ page, title, act, shown string }{
		{"/jobs/", "Spark Jobs", `document.querySelector(".expand-application-timeline").click()`, `document.querySelector("#application-timeline .vis-timeline .vis-item")`},
		{"/jobs/job/?id=0", "Details for Job 0", `document.querySelector("#job-dag-viz").click()`, `document.querySelector("#dag-viz-graph svg g.node")`},
		{"/jobs/job/?id=0", "Details for Job 0", `document.querySelector(".expand-job-timeline").click()`, `document.querySelector("#job-timeline .vis-timeline .vis-item")`},
		{"/stages/", "Stages for All Jobs", `document.querySelector(".collapse-aggregated-allCompletedStages").click()`, `document.querySelector(".aggregated-allCompletedStages.collapsed")`},
		{"/stages/?completedStage.sort=Duration&completedStage.desc=false", "Stages for All Jobs", `0`, `document.querySelectorAll("#completedStage-table tbody tr").length > 1`},
		{"/stages/stage/?id=0&attempt=0", "Details for Stage 0", `0`, `document.querySelectorAll("#active-tasks-table tbody tr td").length > 1 && document.querySelectorAll("#summary-metrics-table tbody tr").length > 1`},
		{"/stages/stage/?id=0&attempt=0", "Details for Stage 0", `document.querySelector("#stage-dag-viz").click()`, `document.querySelector("#dag-viz-graph svg g.node")`},
		{"/storage/", "Storage", `0`, `true`},
		{"/environment/", "Environment", `document.querySelector(".collapse-aggregated-sparkProperties").click()`, `document.querySelector(".aggregated-sparkProperties.collapsed")`},
		{"/environment/", "Environment", `document.querySelector(".aggregated-runtimeInformation th").click()`, `document.querySelector(".aggregated-runtimeInformation th.sorttable_sorted, .aggregated-runtimeInformation th.sorttable_sorted_reverse")`},
		{"/executors/", "Executors", `0`, `document.querySelector("#active-executors-table tbody")?.innerText.includes("driver") && !document.querySelector(".blockUI")`},
		{"/executors/", "Executors", `0`, `document.querySelectorAll("#summary-execs-table tbody tr").length > 1`},
		{"/SQL/", "SQL", `0`, `document.querySelectorAll("table tbody tr").length > 0`},
		{"/SQL/execution/?id=0", "Details for Query 0", `0`, `document.querySelector("#plan-viz-graph svg g.node")`},
	} {
		b.open(ui + step.page)
		if at := b.text("location.href"); !strings.HasPrefix(at, ui+"/") {
			b.t.Fatalf("%s leads to %s: %.300s", step.page, at, b.text("document.body.innerText"))
		}
		b.checkPage(step.title, ui)
		b.text(step.act)
		b.await(step.page+": "+step.shown, "!!("+step.shown+")")
		var complaints []string
		b.eval("complaints", &complaints)
		if len(complaints) > 0 {
			b.t.Errorf("%s: %q", step.page, complaints)
		}
	}
	b.screenshot("spark-ui")
}
