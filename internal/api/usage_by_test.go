package api_test

import (
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/budgets"
)

// TestUsageRefuses checks the ways to name days.
func TestUsageRefuses(t *testing.T) {
	f := newClient(t)
	for query, want := range map[string]int{
		"": 200, "?by=token&month=2026-01": 200, "?by=workspace&since=2026-01-01": 200, "?by=gateway&day=2026-01-31&format=csv": 200,
		"?by=team": 400, "?month=2026": 400, "?day=x": 400, "?month=2026-01&day=2026-01-31": 400, "?until=2026-01-31": 400,
		"?since=2026-01-31&until=2026-01-01": 400,
	} {
		f.do("GET", "/v1/usage"+query, "", want, nil)
	}
}

// TestBudgetList checks how budgets are shown.
func TestBudgetList(t *testing.T) {
	f := newClient(t)
	f.server.Budgets.Configure(budgets.Settings{Budgets: []budgets.Budget{{
		Name: "nightly", Per: "gateway", Match: []string{"default/*"}, Period: "day", VCoreHours: budgets.Bounds{Soft: 1, Hard: 2},
	}}})
	var list api.BudgetList
	f.do("GET", "/v1/budgets", "", 200, &list)
	if len(list.Budgets) != 1 {
		t.Fatalf("%+v", list)
	}
	b := list.Budgets[0]
	if b.Name != "nightly" || b.OnExceed != "refuse" || b.VCoreHours.Hard != 2 || b.Reset.Sub(b.From) != 24*time.Hour || b.Used == nil {
		t.Errorf("%+v", b)
	}
}
