package api_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

func TestGatewayIsChangedAndRestarted(t *testing.T) {
	c := newClient(t)
	const all = "/v1/workspaces/default/gateways"
	const one = all + "/etl"
	var g api.Gateway
	c.do("POST", all, `{"name":"etl","start":true}`, http.StatusCreated, &g)
	running := func(epoch int64) {
		t.Helper()
		for range 3000 {
			g = api.Gateway{}
			c.do("GET", one, "", http.StatusOK, &g)
			if g.Status.State == gateway.StateRunning && g.Status.Epoch == epoch {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("does not run: %+v", g.Status)
	}
	running(1)

	g = api.Gateway{}
	c.do("PATCH", one, `{"cpu":2,"queue":"root.etl"}`, http.StatusOK, &g)
	if g.Spec.CPU != 2 || !slices.Equal(g.RestartNeeded, []string{"cpu"}) || g.Status.State != gateway.StateRunning {
		t.Errorf("after a change: %+v, restart needed for %v", g.Spec, g.RestartNeeded)
	}
	if notes := strings.Join(g.Notes, " "); !strings.Contains(notes, "has no queues") {
		t.Errorf("notes %q", notes)
	}
	c.do("PATCH", one, `{"cpu":3}`, http.StatusBadRequest, nil)
	c.do("PATCH", one, `nonsense`, http.StatusBadRequest, nil)
	c.do("PATCH", all+"/other", `{"cpu":2}`, http.StatusNotFound, nil)

	c.do("POST", one+"/restart", "", http.StatusAccepted, nil)
	running(2)
	if len(g.RestartNeeded) != 0 {
		t.Errorf("after the restart one is needed for %v", g.RestartNeeded)
	}
	var actors []string
	for _, tr := range g.History {
		actors = append(actors, string(tr.To)+" by "+tr.Actor)
	}
	if !slices.Contains(actors, "Stopping by tester") || actors[0] != "Created by tester" {
		t.Errorf("history %q", actors)
	}
	c.do("POST", one+"/stop", "", http.StatusAccepted, nil)
	c.do("POST", one+"/restart", "", http.StatusConflict, nil)
}

func TestCatalogHidesSecrets(t *testing.T) {
	c := newClient(t)
	var list api.EnvironmentList
	c.do("GET", "/v1/environments", "", http.StatusOK, &list)
	if len(list.Environments) != 1 || list.Environments[0].Env["PASSWORD"] != "***" || list.Environments[0].UsedBy == nil {
		t.Errorf("environments %+v", list)
	}
	var e api.Environment
	c.do("POST", "/v1/workspaces/default/gateways", `{"name":"etl","environment":"analytics"}`, http.StatusCreated, nil)
	c.do("GET", "/v1/environments/analytics", "", http.StatusOK, &e)
	if e.Env["PASSWORD"] != "***" || !slices.Equal(e.UsedBy, []string{"default/etl"}) {
		t.Errorf("environment %+v", e)
	}
	for _, path := range []string{"/v1/environments", "/v1/environments/analytics", "/v1/catalog"} {
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
		if body := w.Body.String(); strings.Contains(body, "planted") || !strings.Contains(body, `"spark.sql.shuffle.partitions":"8"`) {
			t.Errorf("%s: %s", path, body)
		}
	}
	c.do("GET", "/v1/environments/none", "", http.StatusNotFound, nil)
	var catalog api.Catalog
	c.do("GET", "/v1/catalog", "", http.StatusOK, &catalog)
	if !slices.Equal(catalog.CPUs, []int{1, 2, 4}) || catalog.Environments[0].Env["PASSWORD"] != "***" || len(catalog.Engines) != 1 {
		t.Errorf("catalog %+v", catalog)
	}
}

// TestGatewaysAreShownWithDefaults: what nobody has set is shown as it is today, and
// is not thereby set.
func TestGatewaysAreShownWithDefaults(t *testing.T) {
	c := newClient(t)
	const all = "/v1/workspaces/default/gateways"
	check := func(when string, g *api.Gateway, memory string) {
		t.Helper()
		s := &g.Spec
		if s.CPU != 1 || s.Memory != memory || s.Engine != "double" || s.LivyVersion != "0.8.0" || s.AutoStop.Minutes != 45 {
			t.Errorf("%s: %+v", when, s)
		}
	}
	var g api.Gateway
	c.do("POST", all, `{"name":"etl","autoStop":{"enabled":true}}`, http.StatusCreated, &g)
	check("created", &g, "4Gi")
	g = api.Gateway{}
	c.do("PATCH", all+"/etl", `{"memory":"8Gi"}`, http.StatusOK, &g)
	check("changed", &g, "8Gi")
	g = api.Gateway{}
	c.do("PATCH", all+"/etl", `{"memory":null}`, http.StatusOK, &g)
	check("taken back", &g, "4Gi")
	var list api.GatewayList
	c.do("GET", all, "", http.StatusOK, &list)
	check("listed", &list.Gateways[0], "4Gi")
}
