package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// BenchmarkWarm measures sessions that were started ahead and others in turn: from the create to
// idle, as a client sees it that polls, and to the result of the first statement; and the first
// cell of a notebook of sparkmagic. It reports the medians in seconds.
//
//	go test -C integration -run '^$' -bench '^BenchmarkWarm$' -benchtime 5x -timeout 30m .
func BenchmarkWarm(b *testing.B) {
	python := clientPython(b, "sparkmagic")
	l := processLive(b)
	require.Need(b, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	c := newCaddy(b, storetest.StartServer(b), l.livyBlock)
	c.newGateway("etl", "--warm", "pyspark 1 driver_memory=1g heartbeat_timeout=60")
	tok := c.newToken("etl")
	d := &drained{b, c, client{b, c.url("etl"), tok.Token}}
	took := map[string][]float64{}
	for b.Loop() {
		for _, way := range []struct{ name, memory string }{{"cold", "1025m"}, {"warm", "1g"}} {
			d.awaitReady()
			idle, first := d.timeSession(way.memory)
			took[way.name+"-idle-s"] = append(took[way.name+"-idle-s"], idle.Seconds())
			took[way.name+"-first-statement-s"] = append(took[way.name+"-first-statement-s"], first.Seconds())
			d.awaitReady()
			cell := timeCell(b, python, c.url("etl"), tok.Token, way.memory)
			took[way.name+"-first-cell-s"] = append(took[way.name+"-first-cell-s"], cell.Seconds())
			b.Logf("%s: idle after %v, first statement after %v, first cell after %v", way.name, idle, first, cell)
		}
	}
	b.ReportMetric(0, "ns/op") // left out
	for name, all := range took {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2], name)
	}
}

// awaitReady waits until a session can be handed over and nothing else starts.
func (d *drained) awaitReady() {
	d.t.Helper()
	eventually(d.t, 5*time.Minute, "a session that was started ahead", func() bool {
		return warmCount(d.c, "idle") == 1 && warmCount(d.c, "starting") == 0
	})
}

// timeSession creates a session and ends it. It returns the time until it is idle, and that until
// the result of its first statement.
func (d *drained) timeSession(memory string) (idle, first time.Duration) {
	d.t.Helper()
	var s struct {
		ID    int
		State string
	}
	began := time.Now()
	d.expect(http.StatusCreated, "POST", "/sessions", map[string]any{
		"kind": "pyspark", "driverMemory": memory, "heartbeatTimeoutInSecond": 60,
	}, &s)
	path := fmt.Sprintf("/sessions/%d", s.ID)
	for s.State != "idle" {
		if s.State != "starting" && s.State != "not_started" || time.Since(began) > 5*time.Minute {
			d.t.Fatalf("the session is %s", s.State)
		}
		time.Sleep(50 * time.Millisecond)
		d.expect(http.StatusOK, "GET", path, nil, &s)
	}
	idle = time.Since(began)
	if got := d.run(s.ID, "print(spark.range(101).groupBy().sum('id').first()[0])"); got != "5050" {
		d.t.Fatalf("the session answers %s", got)
	}
	first = time.Since(began)
	d.expect(http.StatusOK, "DELETE", path, nil, nil)
	return idle, first
}

// timeCell returns how long a notebook waits for its first cell. The kernel runs already.
func timeCell(b *testing.B, python, url, token, memory string) time.Duration {
	n := openNotebook(b, python, url, token)
	defer n.close()
	n.run("%%local\nprint(1)")
	n.run("%%configure -f\n" + `{"driverMemory": "` + memory + `"}`)
	began := time.Now()
	if got := n.run("print(spark.range(101).groupBy().sum('id').first()[0])"); !strings.Contains(got, "5050") {
		b.Fatalf("the first cell shows %s", got)
	}
	return time.Since(began)
}
