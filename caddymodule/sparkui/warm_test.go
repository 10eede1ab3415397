package sparkui_test

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
)

// TestSparkUIOfAWarmSession: its driver knows another path, that of the gateway's id.
func TestSparkUIOfAWarmSession(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	var base string
	var seen []string
	at := history(t, &base, &seen)
	s.Load(strings.Replace(s.Config, "local_dir /data", "local_dir /data\nhistory_server "+at+" {\nevent_logs hdfs:///events\n}", 1))
	core.InForce().SparkUI.Runtime = hosted{}
	s.Respecify(func(spec *gateway.Spec) { spec.Warm = []gateway.Warm{{Kind: "spark", Count: 1}} })
	var id string
	s.Await(func() bool {
		all, err := core.InForce().Store.Warm(t.Context(), s.Gateway.ID)
		if err != nil || len(all) != 1 || all[0].State != store.WarmIdle {
			return false
		}
		id = all[0].ID
		return true
	})
	started := s.Gateway.SparkUI(id)
	driver(t, started, &seen)
	site := "http://" + s.Address
	public := caddytest.Prefix + gateway.SparkUIPath + id
	if r := s.Do("GET", site+public+"/jobs/", ""); r.StatusCode != 404 {
		t.Errorf("before the hand-over: %d %s", r.StatusCode, r.Text)
	}
	if r := s.Do("POST", "/sessions", `{"kind":"spark"}`); !strings.Contains(r.Text, `"idle"`) {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	if r := caddytest.RecordOf(s.Records(store.RecordFilter{}), 0); r.ID != id || !r.Warm || r.SparkUI != public {
		t.Fatalf("record %+v", r)
	}
	if r := s.Do("GET", site+public+"/links", ""); r.StatusCode != 200 || !strings.Contains(r.Text, `href="`+public+`/static/x.css"`) {
		t.Errorf("a page of the driver at %s: %d %s", started, r.StatusCode, r.Text)
	}
	if r := s.Do("GET", "/sessions/0", ""); strings.Contains(r.Text, started) {
		t.Errorf("Livy's object shows the driver's path: %s", r.Text)
	}
}
