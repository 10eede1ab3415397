package core

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// What is read when metrics are collected. Of the metrics with a gateway, those from polling and
// measuring Livy servers come from the instance that supervises the gateway, so that a sum over
// all instances counts everything once.
var (
	gatewaysByState = gaugeOf("gateways", "Gateways by state. Every instance reports them.", "state")
	unresponsive    = gaugeOf("gateways_unresponsive",
		"Running gateways with a Livy server that does not answer. Every instance reports them.")
	gatewayState = gaugeOf("gateway_state",
		"1 for the state that a gateway is in. Every instance reports it.", labelGateway, "state")
	gatewaySince = gaugeOf("gateway_state_since_seconds",
		"When the gateway entered its state, in seconds since 1970. Every instance reports it.", labelGateway)
	gatewaySilent = gaugeOf("gateway_unresponsive",
		"1 if a Livy server of the gateway does not answer, otherwise 0. Every instance reports it.", labelGateway)

	serverCount = gaugeOf("servers",
		"Livy servers of a running gateway: `wanted`, `serving` (they take new sessions and batches), `starting`, "+
			"`draining`. Every instance reports it.", labelGateway, "state")

	liveCount = gaugeOf("live", "Live sessions and batches by kind and state, from the last poll of Livy.",
		labelGateway, "kind", "state")
	warmSessions = gaugeOf("warm_sessions", "Sessions that were started ahead and belong to nobody yet, by state (`starting`, `idle`).",
		labelGateway, "state")
	vcoresInUse = gaugeOf("vcores_in_use", "Cores that running sessions and batches take: drivers, executors and mounts.",
		labelGateway)
	memoryInUse = gaugeOf("memory_in_use_bytes", "Memory that running sessions and batches take: drivers, executors and mounts.", labelGateway)

	serverCPU = counterOf("server_cpu_seconds_total",
		"CPU time of a gateway's Livy servers and the drivers next to them. Not with runtime static.", labelGateway)
	serverCPULimit = gaugeOf("server_cpu_limit_cores", "The cores of a gateway whose server is measured.", labelGateway)
	serverMemory   = gaugeOf("server_memory_bytes",
		"Memory of a gateway's Livy servers and the drivers next to them. Not with runtime static.", labelGateway)
	serverMemoryLimit = gaugeOf("server_memory_limit_bytes", "The memory of a gateway whose server is measured.",
		labelGateway)

	tokenCount = gaugeOf("tokens",
		"Tokens by the time until they expire: `expired`, `1d`, `7d`, `30d` (up to as many days) or `longer`. They are "+
			"counted every minute; revoked and disabled ones are left out.",
		labelGateway, "left")
	tokenChecks = counterOf("token_checks_total",
		"Token checks by the source of the result (`cache`, `negative_cache`, `redis`, `grace`), or the reason why "+
			"there was none (`redis_error`, `unavailable`), and `refused` ones.",
		"result")

	recorderQueue = gaugeOf("recorder_queue",
		"Changes of records that wait until Redis can be reached (`changes`), and states from replies that are not "+
			"stored yet (`states`).",
		"kind")
	auditEntries = gaugeOf("audit_entries", "Entries in the audit log, counted every minute. Every instance reports them.")

	leasesHeld     = gaugeOf("leases_held", "Gateways that this instance supervises.")
	otherInstances = gaugeOf("other_instances",
		"Other instances on the same Redis that were seen within the last seconds.")
	leaseChanges = counterOf("lease_changes_total",
		"Leases taken over from another instance or an earlier process (`takeover`), and lost (`loss`).", "change")

	budgetUsed = gaugeOf("budget_used_ratio",
		"The largest part of a budget that one of those who have it has used: 1 means that a hard bound is reached, or the "+
			"soft one of a resource that has no other. Every instance reports it, some 15 seconds old.",
		"budget")
	budgetReached = gaugeOf("budget_reached",
		"How many users, tokens, gateways or workspaces have reached a bound (`soft`, `hard`) of a budget in the present "+
			"period. Every instance reports it.",
		"budget", "bound")
	budgetLimit = gaugeOf("budget_limit_hours",
		"The bounds (`soft`, `hard`) of a budget by resource (`vcore_hours`, `gb_hours`).", "budget", "resource", "bound")
	budgetRefusals = counterOf("budget_refusals_total",
		"Creates that a budget or quota refused, by kind (`budget`, `quota`) and its name.", "kind", "name")
	noticesTotal = counterOf("notices_total",
		"Deliveries of notices to webhooks: `delivered`, `failed` (to be tried again), and notices that were `dropped`.",
		"outcome")

	allCollected = []*collected{
		budgetUsed, budgetReached, budgetLimit, budgetRefusals, noticesTotal,
		gatewaysByState, unresponsive, gatewayState, gatewaySince, gatewaySilent, serverCount, liveCount, warmSessions, vcoresInUse, memoryInUse,
		serverCPU, serverCPULimit, serverMemory, serverMemoryLimit, tokenCount, tokenChecks, recorderQueue,
		auditEntries, leasesHeld, otherInstances, leaseChanges,
	}
)

// coreCollector reads the core's own figures when metrics are collected.
type coreCollector struct{}

// Describe implements prometheus.Collector.
func (coreCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range allCollected {
		ch <- c.desc
	}
}

// Collect implements prometheus.Collector.
func (coreCollector) Collect(ch chan<- prometheus.Metric) {
	c := InForce()
	if c == nil {
		return
	}
	s := sums{}
	c.collectGateways(s)
	c.collectInstance(s)
	c.collectBudgets(s)
	for key, value := range s {
		var labels []string
		if key.labels != "" || key.c.perGateway {
			labels = strings.Split(key.labels, labelSeparator)
		}
		ch <- prometheus.MustNewConstMetric(key.c.desc, key.c.kind, value, labels...)
	}
}

// sums are values by metric and labels. Without names of gateways, the values of all of them
// are added up.
type sums map[sumKey]float64

type sumKey struct {
	c      *collected
	labels string // joined by labelSeparator
}

const labelSeparator = "\xff" // in no label

func (s sums) add(c *collected, value float64, labels ...string) {
	if c.perGateway {
		labels = slices.Clone(labels)
		labels[0] = gatewayLabel(labels[0])
	}
	s[sumKey{c, strings.Join(labels, labelSeparator)}] += value
}

// collectGateways adds the metrics of gateways.
func (c *Core) collectGateways(s sums) {
	all, err := c.Manager.Snapshot()
	if err != nil {
		return
	}
	refs, live := make(map[string]bool, len(all)), c.Ledger.Live()
	silent := 0
	for _, g := range all {
		ref, state := g.Ref(), g.Status.State
		refs[ref] = true
		s.add(gatewaysByState, 1, string(state))
		s.add(gatewayState, 1, ref, string(state))
		if !metricLabels.without.Load() { // times cannot be added up
			s.add(gatewaySince, float64(g.Status.Since.UnixMilli())/1e3, ref)
		}
		away := 0
		if g.Silent() {
			away = 1
		}
		silent += away
		s.add(gatewaySilent, float64(away), ref)
		addServers(s, g)
		if !c.Manager.Holds(g.ID) {
			continue
		}
		if found, ok := live[g.ID]; ok && state == gateway.StateRunning {
			for key, n := range found.Counts {
				s.add(liveCount, float64(n), ref, string(key.Kind), key.State)
			}
			s.add(vcoresInUse, float64(found.MilliCPU)/1e3, ref)
			s.add(memoryInUse, float64(found.MemoryMB<<20), ref)
		}
		if state == gateway.StateRunning && g.Status.Warmed {
			counts := c.Manager.WarmCounts(g.ID)
			for _, state := range []store.WarmState{store.WarmStarting, store.WarmIdle} {
				s.add(warmSessions, float64(counts[state]), ref, string(state))
			}
		}
		c.samples.collect(s, c.Manager, g)
	}
	s.add(unresponsive, float64(silent))
	noteGateways(refs)
}

// addServers adds the numbers of a gateway's servers.
func addServers(s sums, g *gateway.Gateway) {
	ref := g.Ref()
	if g.Desired != gateway.StateRunning {
		return
	}
	s.add(serverCount, float64(g.WantedServers()), ref, "wanted")
	s.add(serverCount, float64(g.ServingServers()), ref, "serving")
	inState := map[gateway.ServerState]int{}
	for i := range g.Status.Servers {
		inState[g.Status.Servers[i].State]++
	}
	s.add(serverCount, float64(inState[gateway.ServerStarting]), ref, "starting")
	s.add(serverCount, float64(inState[gateway.ServerDraining]), ref, "draining")
}

// collectInstance adds the metrics of this instance.
func (c *Core) collectInstance(s sums) {
	l := c.Manager.LeaseStats()
	s.add(leasesHeld, float64(l.Held))
	s.add(otherInstances, float64(l.Others))
	s.add(leaseChanges, float64(l.Takeovers), "takeover")
	s.add(leaseChanges, float64(l.Losses), "loss")
	changes, states := c.Ledger.Waiting()
	s.add(recorderQueue, float64(changes), "changes")
	s.add(recorderQueue, float64(states), "states")
	if n, ok := c.samples.auditLength(); ok {
		s.add(auditEntries, float64(n))
	}
	st := c.Tokens.Stats()
	for result, n := range map[string]int64{
		"cache": st.Hits, "redis": st.Lookups, "negative_cache": st.NegativeHits, "redis_error": st.LookupErrors,
		"grace": st.Grace, "unavailable": st.Unavailable, "refused": st.Refused,
	} {
		s.add(tokenChecks, float64(n), result)
	}
}

// daysLeft returns the class of the metric of tokens.
func daysLeft(expires, now time.Time) string {
	const day = 24 * time.Hour
	switch left := expires.Sub(now); {
	case left <= 0:
		return "expired"
	case left <= day:
		return "1d"
	case left <= 7*day:
		return "7d"
	case left <= 30*day:
		return "30d"
	}
	return "longer"
}

// Interface guard
var _ prometheus.Collector = coreCollector{}
