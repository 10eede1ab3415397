package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

func oneGateway() *dashboard.DashboardBuilder {
	b := gateways(board("Livy Gateway: one gateway", "livygw-gateway", "One gateway, its Livy server and its clients."), false)
	return b.
		WithPanel(timeline("State", "1 while the gateway is in the state.",
			query{`max by (state) (caddy_livy_gateway_state{gateway="$gateway"})`, "{{state}}"},
			query{`max(caddy_livy_gateway_unresponsive{gateway="$gateway"})`, "unresponsive"})).
		WithPanel(number("Time in this state", "", "s", 0,
			query{`time() - max(caddy_livy_gateway_state_since_seconds{gateway="$gateway"})`, "since"})).
		WithPanel(number("Live sessions and batches", "", "short", 0,
			query{`sum by (kind) (caddy_livy_live{gateway="$gateway"})`, "{{kind}}"})).
		WithPanel(number("Memory of the server", "Of its limit.", "percentunit", 0.9,
			query{`max(caddy_livy_server_memory_bytes{gateway="$gateway"}) / max(caddy_livy_server_memory_limit_bytes{gateway="$gateway"})`, "memory"})).
		WithPanel(number("Tokens that expire within a week", "", "short", 1,
			query{`sum(caddy_livy_tokens{gateway="$gateway", left=~"1d|7d"})`, "tokens"})).
		WithPanel(number("Creates that were refused", "In an hour.", "short", 0,
			query{`sum(increase(caddy_livy_creates_total{gateway="$gateway", decision="refused"}[1h]))`, "refused"})).
		WithPanel(number("Failures of the server", "In a day.", "short", 1,
			query{`sum(increase(caddy_livy_failures_total{gateway="$gateway"}[1d]))`, "failures"})).
		WithPanel(graph("Requests by route", "", "reqps",
			query{`sum by (route) (rate(caddy_livy_requests_total{gateway="$gateway"}[$__rate_interval]))`, "{{route}}"})).
		WithPanel(graph("Requests by outcome", "", "reqps",
			query{`sum by (outcome) (rate(caddy_livy_requests_total{gateway="$gateway"}[$__rate_interval]))`, "{{outcome}}"})).
		WithPanel(graph("Refusals by reason", "", "reqps",
			query{`sum by (reason) (rate(caddy_livy_refusals_total{gateway="$gateway"}[$__rate_interval]))`, "{{reason}}"})).
		WithPanel(graph("Livy's part of a request", "The median, and the slowest of twenty.", "s",
			query{quantile("0.5", "caddy_livy_request_livy_seconds", `{gateway="$gateway"}`, "class"), "{{class}}, median"},
			query{quantile("0.95", "caddy_livy_request_livy_seconds", `{gateway="$gateway"}`, "class"), "{{class}}, 95 %"})).
		WithPanel(graph("The gateway's own part of a request", "The slowest of a hundred.", "s",
			query{quantile("0.99", "caddy_livy_request_own_seconds", `{gateway="$gateway"}`, "class"), "{{class}}"})).
		WithPanel(graph("From a create to idle or running", "The median.", "s",
			query{quantile("0.5", "caddy_livy_create_ready_seconds", `{gateway="$gateway"}`, "kind, start"), "{{kind}}, {{start}}"})).
		WithPanel(graph("Sessions and batches by state", "", "short",
			query{`sum by (kind, state) (caddy_livy_live{gateway="$gateway"})`, "{{kind}} {{state}}"})).
		WithPanel(graph("CPU of the server", "Against its limit.", "short",
			query{`sum(rate(caddy_livy_server_cpu_seconds_total{gateway="$gateway"}[$__rate_interval]))`, "cores"},
			query{`max(caddy_livy_server_cpu_limit_cores{gateway="$gateway"})`, "limit"})).
		WithPanel(graph("Memory of the server", "Against its limit.", "bytes",
			query{`sum(caddy_livy_server_memory_bytes{gateway="$gateway"})`, "memory"},
			query{`max(caddy_livy_server_memory_limit_bytes{gateway="$gateway"})`, "limit"})).
		WithPanel(graph("Starts and failures", "In an hour, by reason.", "short",
			query{`sum by (reason) (increase(caddy_livy_starts_total{gateway="$gateway"}[1h]))`, "start: {{reason}}"},
			query{`sum by (reason) (increase(caddy_livy_failures_total{gateway="$gateway"}[1h]))`, "failure: {{reason}}"})).
		WithPanel(graph("How long starts take, and requests wait for them", "The slowest of twenty.", "s",
			query{quantile("0.95", "caddy_livy_start_seconds", `{gateway="$gateway"}`, ""), "start"},
			query{quantile("0.95", "caddy_livy_wake_wait_seconds", `{gateway="$gateway"}`, "outcome"), "wait, {{outcome}}"})).
		WithPanel(graph("What the policy did, by rule", "In an hour.", "short",
			query{`sum by (action, rule) (increase(caddy_livy_policy_rules_total{gateway="$gateway"}[1h]))`, "{{action}}: {{rule}}"}))
}
