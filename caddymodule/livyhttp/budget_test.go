package livyhttp_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

// TestBudgets checks the replies to creates that reach a soft bound, a hard one and a quota. The
// budget has room for one reservation of an hour above the soft bound.
func TestBudgets(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	measured := strings.Replace(s.Config, "livy_gateway\n", "livy_gateway /api/*\n\tmetrics /metrics\n", 1)
	s.Load(strings.Replace(measured, "	livy {\n", `	livy {
		budget people {
			per token
			period day
			vcore_hours soft 1.5 hard 2
			reserve 1h
		}
		quota small {
			driver_cores 1
			max_sessions 1
		}
`, 1))
	const header = "X-Livy-Gateway-Budget"
	create := `{"file":"file:/data/x.py","driverCores":1}`
	if r := s.Do("POST", "/batches", create); r.StatusCode != 201 || r.Header.Get(header) != "" {
		t.Fatalf("%d %s %v", r.StatusCode, r.Text, r.Header)
	}
	r := s.Do("POST", "/batches", create)
	if got := r.Header.Get(header); r.StatusCode != 201 || !strings.HasPrefix(got, `"people";per=token;period=day;resource=vcore_hours;used=2;soft=1.5;hard=2;reset="`) {
		t.Errorf("a soft bound: %d %s", r.StatusCode, got)
	}
	r = s.Do("POST", "/batches", create)
	var a struct {
		Msg, Reason, Field, Budget, Period, Reset string
		Used, Limit                               float64
	}
	if err := json.Unmarshal([]byte(r.Text), &a); err != nil {
		t.Fatal(err)
	}
	wait, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if r.StatusCode != 429 || err != nil || wait < 1 || wait > 86400 || a.Reason != "budget_exceeded" || a.Field != "vcore_hours" ||
		a.Budget != "people" || a.Period != "day" || a.Used != 3 || a.Limit != 2 || a.Reset == "" || !strings.HasPrefix(a.Msg, "vcore_hours: the budget people allows each token 2 vcore-hours a day") {
		t.Errorf("a hard bound: %d %v %+v", r.StatusCode, r.Header, a)
	}
	if r := s.Do("POST", "/batches", `{"file":"file:/data/x.py","driverCores":2}`); r.StatusCode != 400 || !strings.Contains(r.Text, "driverCores: must be at most 1, by the quota small") {
		t.Errorf("a large driver: %d %s", r.StatusCode, r.Text)
	}
	metrics := s.Do("GET", "http://"+s.Address+"/metrics", "", "Accept: text/plain").Text
	for name, want := range map[string]string{
		`caddy_livy_budget_refusals_total{kind="budget",name="people"}`:                      "1",
		`caddy_livy_budget_refusals_total{kind="quota",name="small"}`:                        "1",
		`caddy_livy_budget_limit_hours{bound="hard",budget="people",resource="vcore_hours"}`: "2",
		`caddy_livy_budget_used_ratio{budget="people"}`:                                      "0",
	} {
		if !strings.Contains(metrics, "\n"+name+" "+want+"\n") {
			t.Errorf("%s is not %s", name, want)
		}
	}
	if r := s.Do("GET", "/batches", ""); r.StatusCode != 200 || strings.Count(r.Text, `"state"`) != 2 {
		t.Errorf("batches: %d %s", r.StatusCode, r.Text)
	}
}
