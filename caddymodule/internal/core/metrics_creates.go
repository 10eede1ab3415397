package core

import (
	"sync"
	"time"

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/policies"
)

var (
	createsTotal = counter("creates_total",
		"Create requests by kind (`session`, `batch`) and decision of the gateway (`sent`, `refused`).",
		labelGateway, "kind", "decision")
	policyTotal = counter("policy_total",
		"Parameters of create requests that a gateway's policy `ignored`, `forced`, `lowered` or `refused`.",
		labelGateway, "action")
	rulesTotal = counter("policy_rules_total",
		"Parameters of create requests that a gateway's policy `ignored`, `forced`, `lowered` or `refused`, by the "+
			"place of the rule, such as `spark-blacklist.conf:3` or `gateway queue`. After 100 rules of a "+
			"gateway, further ones are `other`.",
		labelGateway, "action", "rule")
	readySeconds = histogram("create_ready_seconds",
		"The time from a create until its session is idle or its batch runs, by kind and start: `ahead` if it had been "+
			"started before, `cold` if it was created within ten seconds of the start of its Livy server, otherwise `warm`.",
		[]float64{1, 2.5, 5, 10, 15, 20, 30, 45, 60, 120, 300, 600}, labelGateway, "kind", "start")
	handedOver = counter("warm_handovers_total",
		"Creates of sessions that were answered with a session that had been started ahead.", labelGateway)
	warmMisses = counter("warm_misses_total",
		"Creates of sessions on gateways with sessions that are started ahead that got none, by reason: `shape` (they ask for something "+
			"else), `none` (all were handed over), `trace` (they belong to a trace), `failed` (those that there were did "+
			"not answer) or `unknown` (their size is not clear).",
		labelGateway, "reason")
	endsTotal = counter("ends_total",
		"Sessions and batches that have ended, by kind and last state (`success`, `dead`, `killed`, `error`, `gone` "+
			"and so on).",
		labelGateway, "kind", "state")
	vcoreSeconds = counter("vcore_seconds_total",
		"Cores times seconds that sessions and batches used, from their record. They are added when one has ended; "+
			"for those that run see `caddy_livy_vcores_in_use`.",
		labelGateway)
	gbSeconds = counter("gb_seconds_total",
		"Memory in GiB times seconds that sessions and batches used, from their record. It is added when one has "+
			"ended; for those that run see `caddy_livy_memory_in_use_bytes`.",
		labelGateway)
)

// CountCreate counts a create request, and what the policy did to it.
func CountCreate(gateway, kind string, r *policies.Report, refused bool) {
	decision := "sent"
	if refused {
		decision = "refused"
	}
	label := gatewayLabel(gateway)
	createsTotal.WithLabelValues(label, kind, decision).Inc()
	for action, entries := range map[string][]policies.Entry{
		"ignored": r.Ignored, "forced": r.Forced, "lowered": r.Lowered, "refused": r.Refused,
	} {
		if n := len(entries); n > 0 {
			policyTotal.WithLabelValues(label, action).Add(float64(n))
		}
		for i := range entries {
			rulesTotal.WithLabelValues(label, action, ruleLabel(gateway, entries[i].Source)).Inc()
		}
	}
}

// CountWarm counts a create on a gateway with sessions that are started ahead, which got none for
// a reason, or got one.
func CountWarm(gateway, miss string) {
	if miss != "" {
		warmMisses.WithLabelValues(gatewayLabel(gateway), miss).Inc()
		return
	}
	handedOver.WithLabelValues(gatewayLabel(gateway)).Inc()
}

// maxRules bounds the rules of a gateway that have a value of the label "rule".
const maxRules = 100

// ruleNames are the rules that have one.
var ruleNames struct {
	mu    sync.Mutex
	known map[string]map[string]bool // by gateway
}

func ruleLabel(gateway, source string) string {
	ruleNames.mu.Lock()
	defer ruleNames.mu.Unlock()
	known := ruleNames.known[gateway]
	switch {
	case known[source]:
		return source
	case len(known) >= maxRules:
		return "other"
	case known == nil:
		if ruleNames.known == nil {
			ruleNames.known = make(map[string]map[string]bool)
		}
		known = make(map[string]bool)
		ruleNames.known[gateway] = known
	}
	known[source] = true
	return source
}

// coldFor is how long after the start of a Livy server a create counts as cold.
const coldFor = 10 * time.Second

// recordStarted counts a session or batch that runs.
func recordStarted(m *control.Manager, r *store.Record) {
	g := m.Known(r.GatewayID)
	if g == nil || r.TokenID == "" { // not created through the gateway
		return
	}
	start := "warm"
	if r.Warm {
		start = "ahead"
	} else if r.Created.Sub(g.Status.Since) < coldFor {
		start = "cold"
	}
	readySeconds.WithLabelValues(gatewayLabel(g.Ref()), r.Kind, start).Observe(r.Started.Sub(r.Created).Seconds())
}

// recordEnded counts a session or batch that has ended.
func recordEnded(m *control.Manager, r *store.Record) {
	g := m.Known(r.GatewayID)
	if g == nil {
		return
	}
	label := gatewayLabel(g.Ref())
	endsTotal.WithLabelValues(label, r.Kind, r.State).Inc()
	vcoreSeconds.WithLabelValues(label).Add(max(0, r.VCoreSeconds))
	gbSeconds.WithLabelValues(label).Add(max(0, float64(r.MBSeconds)/1024))
}
