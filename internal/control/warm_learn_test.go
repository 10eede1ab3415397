package control

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// ended records a session of a token that has ended, as a create of the gateway does.
func ended(t *testing.T, m *Manager, g *gateway.Gateway, body, queue string) {
	t.Helper()
	e, err := m.Lookup(g.Workspace, g.ID)
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.PolicyFor("", queue)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Create(livy.KindSession, "", "", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	id, _ := m.Ledger.NewID()
	if err := r.Complete(id, nil); err != nil {
		t.Fatal(err)
	}
	c, err := m.Ledger.Begin(t.Context(), sessions.Intent{
		ID: id, Gateway: e.Gateway, Kind: livy.KindSession, Name: id, TokenID: "t", Resources: &r.Effective, Policy: r.Report,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Failed(t.Context(), "it was only asked for")
}

// shapes returns the shapes that a gateway has learned, in one line.
func learned(g *gateway.Gateway) string {
	lines := make([]string, len(g.Status.WarmLearned))
	for i, w := range g.Status.WarmLearned {
		lines[i] = w.String()
	}
	return strings.Join(lines, "; ")
}

// TestWarmAuto learns from the records which sessions to start ahead, again after changes and after
// an hour.
func TestWarmAuto(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	double := livytest.New()
	rt.livy = double
	var ahead atomic.Int64
	m := testManagerWith(t, s, rt, func(o *Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	g := create(t, m, "etl", true)
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
	const notebook = `{"kind":"python","driverMemory":"600m","heartbeatTimeoutInSecond":60}`
	for range 2 {
		ended(t, m, g, notebook, "")
	}
	for range 5 { // of a token with a queue of its own
		ended(t, m, g, `{"kind":"sql"}`, "root.own")
	}
	g = patch(t, m, g, false, `{"warm":[{"kind":"spark","count":1,"driverMemory":"512m"},{"kind":"auto","count":2,"maxAge":"30m"}]}`)
	awaitWarm(t, s, g.ID, 1)
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
	if notes := strings.Join(m.Notes(g), "\n"); learned(g) != "" || !strings.Contains(notes, noteNothingLearned) {
		t.Errorf("learned %s from two creates; notes %s", learned(g), notes)
	}
	for range 9 { // a line has it
		ended(t, m, g, `{"kind":"spark","driverMemory":"512m"}`, "")
	}
	ended(t, m, g, `{"kind":"pyspark","conf":{"spark.driver.memory":"600m"},"heartbeatTimeoutInSecond":60}`, "")
	ahead.Store(int64(learnSoon)) // until then, the records are not read again
	const want = "pyspark 2 driver_memory=600m driver_cores=1 executor_memory=1g executor_cores=1 heartbeat_timeout=60 max_age=30m"
	g = await(t, m, g.ID, "a learned shape", func(g *gateway.Gateway) bool { return learned(g) == want })
	awaitWarm(t, s, g.ID, 3)
	heartbeats := 0
	for _, sent := range double.Requests("sessions") {
		if string(sent["kind"]) == `"pyspark"` && string(sent["heartbeatTimeoutInSecond"]) == "60" {
			heartbeats++
		}
	}
	if heartbeats != 2 {
		t.Errorf("%d sessions with a heartbeat", heartbeats)
	}
	// Others become more frequent.
	for range 9 {
		ended(t, m, g, `{"kind":"shared","driverMemory":"700m"}`, "")
	}
	ahead.Add(int64(learnEvery))
	g = await(t, m, g.ID, "other shapes", func(g *gateway.Gateway) bool {
		return strings.HasPrefix(learned(g), "shared 2 driver_memory=700m")
	})
	g = patch(t, m, g, false, `{"warm":[{"kind":"auto","count":1}]}`)
	g = await(t, m, g.ID, "a change of the settings", func(g *gateway.Gateway) bool {
		return strings.HasPrefix(learned(g), "spark 1 driver_memory=512m") || strings.HasPrefix(learned(g), "shared 1 ")
	})
	g = patch(t, m, g, false, `{"warm":[]}`)
	await(t, m, g.ID, "nothing learned", func(g *gateway.Gateway) bool { return learned(g) == "" })
	awaitWarm(t, s, g.ID, 0)
}
