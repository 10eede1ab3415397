package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestWarmSession takes a session that was started ahead: it is idle in the reply, works from its
// first statement on, and another one is started behind it.
func TestWarmSession(t *testing.T) {
	l := processLive(t)
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock)
	c.newGateway("etl", "--warm", "pyspark 1 driver_memory=1g")
	d := &drained{t, c, client{t, c.url("etl"), c.newToken("etl").Token}}
	ready := func() bool { return warmCount(c, "idle") == 1 }
	began := time.Now()
	eventually(t, 3*time.Minute, "a session that was started ahead", ready)
	t.Logf("a session was ready after %v", time.Since(began).Round(100*time.Millisecond))

	began = time.Now()
	var s struct {
		ID          int
		Name, State string
		Conf        map[string]string
	}
	d.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark", "driverMemory": "1024m", "name": "mine"}, &s)
	took := time.Since(began)
	t.Logf("the create was answered in %v, in state %s", took, s.State)
	if s.State != "idle" || s.Name != "mine" || took > time.Second {
		t.Errorf("the create was answered in %v with %+v", took, s)
	}
	began = time.Now()
	if got := d.run(s.ID, "print(spark.range(101).groupBy().sum('id').first()[0])"); got != "5050" {
		t.Errorf("the session answers %s", got)
	}
	t.Logf("the first statement took %v", time.Since(began).Round(time.Millisecond))
	var all struct {
		Total      int `json:"total_statements"`
		Statements []struct{ ID int }
	}
	d.expect(http.StatusOK, "GET", fmt.Sprintf("/sessions/%d/statements", s.ID), nil, &all)
	if all.Total != 1 || all.Statements[0].ID != 0 {
		t.Errorf("statements %+v", all)
	}
	var list struct {
		Total    int
		Sessions []struct{ Name string }
	}
	d.expect(http.StatusOK, "GET", "/sessions", nil, &list)
	if list.Total != 1 || list.Sessions[0].Name != "mine" {
		t.Errorf("sessions %+v", list)
	}
	var record struct{ Warm bool }
	if err := json.Unmarshal([]byte(c.manage("GET", fmt.Sprintf("gateways/etl/records/session:%d", s.ID))), &record); err != nil || !record.Warm {
		t.Errorf("record %+v, %v", record, err)
	}
	eventually(t, time.Minute, "another session that is started", func() bool {
		return warmCount(c, "starting")+warmCount(c, "idle") == 1
	})
}

// warmCount is the number of sessions that were started ahead and are in a state.
func warmCount(c *caddy, state string) (n int) {
	_, after, _ := strings.Cut(adminGet(c.t, c, "/metrics"), `caddy_livy_warm_sessions{gateway="default/etl",state="`+state+`"} `)
	_, _ = fmt.Sscan(after, &n)
	return n
}
