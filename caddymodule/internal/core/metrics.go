package core

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/livygateway/livygateway/policies"
)

// The metrics are created once and registered with each configuration's registry, since Caddy
// creates a new registry at every reload.
var (
	policyTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "livy", Name: "policy_total",
		Help: "Parameters of create requests that a gateway's policy ignored, forced, lowered or refused.",
	}, []string{"gateway", "action"})
	createsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "livy", Name: "creates_total",
		Help: "Create requests by kind (session, batch) and decision of the gateway (sent, refused).",
	}, []string{"gateway", "kind", "decision"})
)

// RegisterMetrics registers the metrics with a configuration's registry.
func RegisterMetrics(ctx caddy.Context) error {
	for _, c := range []prometheus.Collector{policyTotal, createsTotal, coreCollector{}} {
		err := ctx.GetMetricsRegistry().Register(c)
		var already prometheus.AlreadyRegisteredError
		if err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}

// CountCreate counts a create request, and what the policy did to it.
func CountCreate(gateway, kind string, r *policies.Report, refused bool) {
	decision := "sent"
	if refused {
		decision = "refused"
	}
	createsTotal.WithLabelValues(gateway, kind, decision).Inc()
	for action, n := range map[string]int{
		"ignored": len(r.Ignored), "forced": len(r.Forced), "lowered": len(r.Lowered), "refused": len(r.Refused),
	} {
		if n > 0 {
			policyTotal.WithLabelValues(gateway, action).Add(float64(n))
		}
	}
}

// coreCollector reads the core's own counters when metrics are collected.
type coreCollector struct{}

var (
	gatewaysDesc = prometheus.NewDesc("caddy_livy_gateways", "Gateways by state.", []string{"state"}, nil)
	silentDesc   = prometheus.NewDesc("caddy_livy_gateways_unresponsive",
		"Running gateways whose Livy server does not answer.", nil, nil)
	tokensDesc = prometheus.NewDesc("caddy_livy_token_checks_total",
		"Token checks by the source of the result, or the reason why there was none.", []string{"result"}, nil)
)

var (
	leasesDesc = prometheus.NewDesc("caddy_livy_leases_held", "Gateways that this instance supervises.", nil, nil)
	othersDesc = prometheus.NewDesc("caddy_livy_other_instances",
		"Other instances on the same Redis that were seen within the last seconds.", nil, nil)
	movesDesc = prometheus.NewDesc("caddy_livy_lease_changes_total",
		"Leases taken over from another instance or an earlier process (takeover), and lost (loss).", []string{"change"}, nil)
)

// Describe implements prometheus.Collector.
func (coreCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- leasesDesc
	ch <- othersDesc
	ch <- movesDesc
	ch <- gatewaysDesc
	ch <- silentDesc
	ch <- tokensDesc
}

// Collect implements prometheus.Collector.
func (coreCollector) Collect(ch chan<- prometheus.Metric) {
	c := InForce()
	if c == nil {
		return
	}
	for state, n := range c.Manager.CountByState() {
		ch <- prometheus.MustNewConstMetric(gatewaysDesc, prometheus.GaugeValue, float64(n), string(state))
	}
	ch <- prometheus.MustNewConstMetric(silentDesc, prometheus.GaugeValue, float64(c.Manager.Unresponsive()))
	l := c.Manager.LeaseStats()
	ch <- prometheus.MustNewConstMetric(leasesDesc, prometheus.GaugeValue, float64(l.Held))
	ch <- prometheus.MustNewConstMetric(othersDesc, prometheus.GaugeValue, float64(l.Others))
	ch <- prometheus.MustNewConstMetric(movesDesc, prometheus.CounterValue, float64(l.Takeovers), "takeover")
	ch <- prometheus.MustNewConstMetric(movesDesc, prometheus.CounterValue, float64(l.Losses), "loss")
	st := c.Tokens.Stats()
	for result, n := range map[string]int64{
		"cache": st.Hits, "redis": st.Lookups, "negative_cache": st.NegativeHits, "redis_error": st.LookupErrors,
		"grace": st.Grace, "unavailable": st.Unavailable, "refused": st.Refused,
	} {
		ch <- prometheus.MustNewConstMetric(tokensDesc, prometheus.CounterValue, float64(n), result)
	}
}

// Interface guard
var _ prometheus.Collector = coreCollector{}
