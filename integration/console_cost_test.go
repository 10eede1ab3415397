package integration

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	gw "github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// clockTicks is how often a second the times in /proc/PID/stat count.
const clockTicks = 100

// cpuTime is what a process has used of a core so far.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / clockTicks
}

// TestConsoleCostsLittle shows very many gateways and records: how soon a page is painted,
// and what the server spends on an open page while nothing changes. LIVYGW_GATEWAYS is the
// number of gateways (default 200), of which each has 100 records; it makes the test look for
// 30 seconds instead of 3.
func TestConsoleCostsLittle(t *testing.T) {
	needBrowser(t)
	n, watch := 200, 3*time.Second
	if text := os.Getenv("LIVYGW_GATEWAYS"); text != "" {
		n, _ = strconv.Atoi(text)
		watch = 30 * time.Second
	} else if testing.Short() {
		t.Skip("needs time: it watches a page on which nothing happens")
	}
	_, block := livyDouble(t)
	redis := storetest.StartServer(t)
	c, site := startConsole(t, redis.Addr(), block, "", "ann")
	s := storetest.Open(t, store.Options{Addrs: []string{redis.Addr()}})
	now := time.Now().UTC()
	for i := range n - 1 {
		g := &gw.Gateway{
			ID: fmt.Sprintf("lc-%016x", i), Workspace: "default", Desired: gw.StateStopped, CreatedBy: "ann", CreatedAt: now, UpdatedAt: now,
			Spec: gw.Spec{Name: fmt.Sprintf("gw-%04d", i), CPU: 2, Memory: "8Gi", SparkDefaults: "spark.executor.memory 4g\n"},
		}
		g.Enter(gw.StateCreated, "", "ann", now)
		if err := s.SaveGateway(t.Context(), g, store.Write{}); err != nil {
			t.Fatal(err)
		}
		if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, endedRecords(g.ID, 100, now)...); err != nil {
			t.Fatal(err)
		}
	}
	c.newGateway("etl")
	cl := client{t: t, base: c.url("etl"), token: c.newToken("etl", "--name", "airflow").Token}
	cl.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark"}, nil)

	spent := func(what string) float64 {
		t.Helper()
		time.Sleep(2 * time.Second) // what has just happened is not measured
		before := cpuTime(t, c.cmd.Process.Pid)
		time.Sleep(watch)
		share := 100 * (cpuTime(t, c.cmd.Process.Pid) - before).Seconds() / watch.Seconds()
		t.Logf("%d gateways, %-21s %.2f %% of a core", n, what, share)
		return share
	}
	w := openConsole(t, c, site, annLogin)
	for _, hash := range []string{"#/gateways", "#/sessions", "#/overview"} {
		if paint := w.firstPaint(n, hash); paint > 3*time.Second { // of a machine that is busy
			t.Errorf("%s is painted after %s", hash, paint)
		}
	}
	w.open("http://" + annLogin + "@" + site + "/")
	w.await("the list", `document.querySelector('td[data-label=Live]')?.innerText.trim() === '1'`)
	spent("the list, at first") // the instance still begins to look after all gateways
	list := spent("the list")
	w.place("#/overview")
	w.shows("Needs attention")
	overview := spent("the overview")
	w.open("about:blank")
	without := spent("no page")
	for what, share := range map[string]float64{"the list": list, "the overview": overview} {
		if share-without > 5 {
			t.Errorf("%s costs %.2f %% of a core", what, share-without)
		}
	}
}

// endedRecords returns batches of a gateway that ended, one an hour.
func endedRecords(gatewayID string, n int, until time.Time) []*store.Record {
	list := make([]*store.Record, n)
	for i := range list {
		created := until.Add(-time.Duration(n-i) * time.Hour)
		list[i] = &store.Record{
			ID: fmt.Sprintf("livy-%s%04d", gatewayID[3:], i), GatewayID: gatewayID, Kind: "batch", PublicID: int64(i), LivyID: int64(i),
			State: "success", TokenID: "lctk-" + gatewayID[3:], TokenName: "airflow", MilliCPU: 2000, MemoryMB: 4096,
			Created: created, Started: created, Updated: created.Add(time.Minute), Ended: created.Add(time.Minute),
			Resources: []byte(`{"kind":"pyspark","driverMemory":"2g","driverCores":1,"executorMemory":"4g","executorCores":2,"numExecutors":4}`),
		}
	}
	return list
}

// firstPaint loads a page with an empty cache and then five times with what the browser
// kept, and returns the middle of these five: the time from the start of the navigation to
// the first content on the screen.
func (w *consoleWorld) firstPaint(gateways int, hash string) time.Duration {
	w.t.Helper()
	load := func() (paint, filled float64) {
		w.open("about:blank")
		w.open("http://" + annLogin + "@" + w.site + "/" + hash)
		// Rows of a table or figures are there, and no placeholder for them.
		w.await("the content of "+hash, `document.querySelector('main :is(tbody tr, .figure)') && !document.querySelector('.skeleton')`)
		w.eval(`new Promise(done => new PerformanceObserver((list, observer) => {
			for (const e of list.getEntriesByName('first-contentful-paint')) { observer.disconnect(); done(e.startTime); }
		}).observe({type: 'paint', buffered: true}))`, &paint)
		w.eval(`Math.max(...performance.getEntriesByType('resource').filter(e => e.name.includes('/v1/') && !e.name.includes('/v1/events')).map(e => e.responseEnd))`, &filled)
		return paint, filled
	}
	if _, err := chromedp.Call(w.page, network.ClearBrowserCache, cdp.Empty{}); err != nil {
		w.t.Fatal(err)
	}
	cold, _ := load()
	paints, fills := make([]float64, 5), make([]float64, 5)
	for i := range paints {
		paints[i], fills[i] = load()
	}
	slices.Sort(paints)
	slices.Sort(fills)
	w.t.Logf("%d gateways, %-11s first paint %.0f ms with an empty cache, %.0f ms (%.0f to %.0f) with a warm one; its data %.0f ms",
		gateways, hash, cold, paints[2], paints[0], paints[4], fills[2])
	return time.Duration(paints[2] * float64(time.Millisecond))
}
