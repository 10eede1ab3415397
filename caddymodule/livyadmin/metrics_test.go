package livyadmin_test

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

func TestMetricsAndLog(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	s.Config = strings.Replace(s.Config, "livy_gateway\n", "livy_gateway /api/*\n\tmetrics /metrics\n", 1)
	s.Load(s.Config) // metrics must survive a reload
	s.Do("POST", "/sessions", `{"kind":"pyspark","executorMemory":"3g"}`)
	s.Do("POST", "/sessions", `{"kind":"nonsense"}`)
	for range 20 { // two of them within the second for which a token is remembered
		s.Do("GET", "/sessions", "")
	}
	text := s.Do("GET", "http://"+s.Address+"/metrics", "").Text
	for _, want := range []string{
		`caddy_livy_creates_total{decision="sent",gateway="default/etl",kind="session"}`,
		`caddy_livy_creates_total{decision="refused",gateway="default/etl",kind="session"}`,
		`caddy_livy_policy_total{action="ignored",gateway="default/etl"}`,
		`caddy_livy_gateways{state="Running"} 1`,
		`caddy_livy_gateways_unresponsive 0`,
		`caddy_livy_leases_held 1`,
		`caddy_livy_other_instances 0`,
		`caddy_livy_lease_changes_total{change="takeover"}`,
		`caddy_livy_token_checks_total{result="cache"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no metric %s", want)
		}
	}
	if strings.Contains(text, s.Token) {
		t.Error("the metrics show a token")
	}
	log := s.Logged()
	if !strings.Contains(log, "create request ruled") || !strings.Contains(log, "spark-blacklist.conf:1") {
		t.Error("what the policy did is not in the log")
	}
}
