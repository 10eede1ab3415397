package integration

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

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

// TestConsoleCostsLittle shows a list of very many gateways while nothing changes:
// what the server spends on an open page. LIVYGW_GATEWAYS is their number (default
// 200) and makes it look for 30 seconds instead of 3.
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
