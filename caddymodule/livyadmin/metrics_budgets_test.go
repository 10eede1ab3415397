package livyadmin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

// measuredWithBudgets are the metrics of TestBudgetsAndWarmSessionsAreMeasured.
var measuredWithBudgets = []string{
	`budget_limit_hours{bound="soft",budget="all",resource="vcore_hours"}`,
	`budget_used_ratio{budget="all"}`, `budget_reached{bound="soft",budget="all"}`,
	`budget_refusals_total{kind="quota",name="small"}`, `notices_total{outcome="delivered"}`,
	`servers{gateway="default/etl",state="serving"}`,
	`warm_sessions{gateway="default/etl",state="idle"}`,
	`warm_handovers_total{gateway="default/etl"}`, `warm_misses_total{gateway="default/etl",reason="shape"}`,
}

func TestBudgetsAndWarmSessionsAreMeasured(t *testing.T) {
	t.Setenv("LIVYGW_TEST_HOOK", "0123456789abcdef0123456789abcdef")
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(hook.Close)
	s := scraped{caddytest.New(t, livytest.New())}
	s.Load(strings.Replace(withMetrics(s.Config), "	livy {\n", `	livy {
		budget all {
			per gateway
			period day
			vcore_hours soft 0.001 hard 1000
			reserve 1h
		}
		quota small {
			driver_cores 1
		}
		webhook `+hook.URL+` {
			secret {env.LIVYGW_TEST_HOOK}
		}
`, 1))
	s.Respecify(func(spec *gateway.Spec) {
		spec.Warm = []gateway.Warm{{Kind: "pyspark", Count: 1, DriverMemory: "2g"}}
	})
	s.rises(`caddy_livy_warm_sessions{gateway="default/etl",state="idle"}`, 0)
	for _, c := range []struct {
		body   string
		status int
	}{
		{`{"kind":"pyspark","driverMemory":"2g"}`, 201}, // the warm one
		{`{"kind":"pyspark","driverMemory":"1g"}`, 201},
		{`{"kind":"pyspark","driverCores":2}`, 400},
	} {
		if r := s.Do("POST", "/sessions", c.body); r.StatusCode != c.status {
			t.Fatalf("%s: %d %s", c.body, r.StatusCode, r.Text)
		}
	}
	for _, sample := range measuredWithBudgets {
		s.rises("caddy_livy_"+sample, 0)
	}
}
