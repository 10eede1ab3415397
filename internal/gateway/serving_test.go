package gateway

import (
	"testing"
	"time"
)

func TestValidateServers(t *testing.T) {
	c := &Catalog{
		Engines: []Engine{
			{Name: "own"},
			{Name: "static", URL: "http://127.0.0.1:1", URLs: []string{"http://127.0.0.1:2"}},
			{Name: "knox", URL: "https://127.0.0.1:1/livy/v1", URLs: []string{"https://127.0.0.1:2/livy/v1"}},
		},
		Directories: []Directory{{Name: "tables", Type: DirectoryLocal, Path: "/tables", Source: "/tables", Warehouse: true}},
	}
	for name, tt := range map[string]struct {
		spec Spec
		ok   bool
	}{
		"none is set":           {Spec{Engine: "own"}, true},
		"one":                   {Spec{Engine: "knox", Servers: 1}, true},
		"the most":              {Spec{Engine: "own", Servers: MaxServers}, true},
		"too many":              {Spec{Engine: "own", Servers: MaxServers + 1}, false},
		"less than none":        {Spec{Engine: "own", Servers: -1}, false},
		"as many as URLs":       {Spec{Engine: "static", Servers: 2}, true},
		"more than URLs":        {Spec{Engine: "static", Servers: 3}, false},
		"with a path":           {Spec{Engine: "knox", Servers: 2}, false},
		"a directory of tables": {Spec{Engine: "own", Servers: 2, Warehouse: "tables"}, false},
		"a metastore":           {Spec{Engine: "own", Servers: 2, Warehouse: "thrift://h:9083"}, true},
	} {
		if err := tt.spec.validateServers(c); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTakeOverIsNotRetired exchanges the primary server with one that was started before others
// were retired.
func TestTakeOverIsNotRetired(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	g := &Gateway{ID: "lc-a", Spec: Spec{Name: "etl", Servers: 2}, Desired: StateRunning}
	g.Status = Status{
		State: StateRunning, Epoch: 5, Retired: 4, Instance: "i5", SessionBase: 10, SessionEnd: 20, LastEpoch: 5,
		Servers: []Server{{Number: 2, Epoch: 2, State: ServerServing, Instance: "i2", SessionBase: 30, SessionEnd: 40}},
	}
	g.TakeOver(2, "it ended; last lines: x", now, time.Minute)
	s := g.Status
	if s.Retires(2, 2) || s.Retires(1, 5) || s.Epoch != 2 || s.Instance != "i2" || s.SessionEnd != 40 {
		t.Errorf("after the exchange: %+v", s)
	}
	if v := s.Servers[0]; v.State != ServerEnding || !v.Again || v.Reason != "it ended" || v.Restarts != 1 || g.ServingServers() != 1 {
		t.Errorf("the server that failed: %+v", v)
	}
	g.Status.DropServer(5, now)
	if v := g.Status.Servers[0]; v.Number != 1 || v.Epoch != 6 || !v.Joins || v.NextStart.Sub(now) != time.Second {
		t.Errorf("it starts again as %+v", v)
	}
}
