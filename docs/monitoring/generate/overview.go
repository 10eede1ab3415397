package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

func overview() *dashboard.DashboardBuilder {
	b := board("Livy Gateway: overview", "livygw-overview", "All gateways and instances.")
	return b.
		WithPanel(number("Running gateways", "", "short", 0,
			query{`max(caddy_livy_gateways{state="Running"}) or vector(0)`, "running"})).
		WithPanel(number("Failed gateways", "In state Error.", "short", 1,
			query{`max(caddy_livy_gateways{state="Error"}) or vector(0)`, "failed"})).
		WithPanel(number("Unresponsive gateways", "Running, and Livy does not answer.", "short", 1,
			query{`max(caddy_livy_gateways_unresponsive)`, "unresponsive"})).
		WithPanel(number("Live sessions and batches", "", "short", 0,
			query{`sum by (kind) (caddy_livy_live)`, "{{kind}}"})).
		WithPanel(number("Instances", "That Prometheus reaches, and that know of each other.", "short", 0,
			query{`count(caddy_livy_leases_held)`, "reached"}, query{`max(caddy_livy_other_instances) + 1`, "known"})).
		WithPanel(number("Unsupervised gateways", "Gateways whose lease nobody holds.", "short", 1,
			query{`max(sum by (instance) (caddy_livy_gateways)) - sum(caddy_livy_leases_held)`, "gateways"})).
		WithPanel(graph("Gateways by state", "", "short",
			query{`max by (state) (caddy_livy_gateways)`, "{{state}}"})).
		WithPanel(graph("Requests by outcome", "", "reqps",
			query{`sum by (outcome) (rate(caddy_livy_requests_total[$__rate_interval]))`, "{{outcome}}"})).
		WithPanel(graph("Requests by gateway", "The ten with the most.", "reqps",
			query{`topk(10, sum by (gateway) (rate(caddy_livy_requests_total[$__rate_interval])))`, "{{gateway}}"})).
		WithPanel(graph("The gateway's own part of a request", "The slowest of a hundred.", "s",
			query{quantile("0.99", "caddy_livy_request_own_seconds", "", "class"), "{{class}}"})).
		WithPanel(graph("Livy's part of a request", "The slowest of twenty.", "s",
			query{quantile("0.95", "caddy_livy_request_livy_seconds", "", "class"), "{{class}}"})).
		WithPanel(graph("From a create to a session that is idle", "The median, and the slowest of twenty.", "s",
			query{quantile("0.5", "caddy_livy_create_ready_seconds", `{kind="session"}`, "start"), "{{start}}, median"},
			query{quantile("0.95", "caddy_livy_create_ready_seconds", `{kind="session"}`, "start"), "{{start}}, 95 %"})).
		WithPanel(graph("Sessions and batches by state", "", "short",
			query{`sum by (kind, state) (caddy_livy_live)`, "{{kind}} {{state}}"})).
		WithPanel(graph("Sessions and batches that ended", "In an hour, by last state.", "short",
			query{`sum by (kind, state) (increase(caddy_livy_ends_total[1h]))`, "{{kind}} {{state}}"})).
		WithPanel(graph("Starts and failures of Livy servers", "In an hour, by reason.", "short",
			query{`sum by (reason) (increase(caddy_livy_starts_total[1h]))`, "start: {{reason}}"},
			query{`sum by (reason) (increase(caddy_livy_failures_total[1h]))`, "failure: {{reason}}"})).
		WithPanel(graph("Redis: time of a command", "", "s",
			query{quantile("0.5", "caddy_livy_redis_seconds", "", ""), "median"},
			query{quantile("0.99", "caddy_livy_redis_seconds", "", ""), "99 %"})).
		WithPanel(graph("Redis: errors, and changes that wait", "", "short",
			query{`sum(rate(caddy_livy_redis_errors_total[$__rate_interval]))`, "errors a second"},
			query{`sum by (kind) (caddy_livy_recorder_queue)`, "waiting {{kind}}"})).
		WithPanel(graph("Leases", "By instance, and those taken over or lost in an hour.", "short",
			query{`caddy_livy_leases_held`, "held by {{instance}}"},
			query{`sum by (change) (increase(caddy_livy_lease_changes_total[1h]))`, "{{change}}"}))
}
