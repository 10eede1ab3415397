package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

func capacity() *dashboard.DashboardBuilder {
	b := gateways(board("Livy Gateway: capacity", "livygw-capacity", "What sessions, batches and Livy servers use."), true)
	return b.
		WithPanel(number("Cores in use", "By sessions and batches.", "short", 0,
			query{`sum(caddy_livy_vcores_in_use{gateway=~"$gateway"})`, "cores"})).
		WithPanel(number("Memory in use", "By sessions and batches.", "bytes", 0,
			query{`sum(caddy_livy_memory_in_use_bytes{gateway=~"$gateway"})`, "memory"})).
		WithPanel(number("Cores of Livy servers", "Of all running ones together.", "short", 0,
			query{`sum(max by (gateway) (caddy_livy_server_cpu_limit_cores{gateway=~"$gateway"}))`, "limit"})).
		WithPanel(number("Memory of Livy servers", "Of all running ones together.", "bytes", 0,
			query{`sum(max by (gateway) (caddy_livy_server_memory_limit_bytes{gateway=~"$gateway"}))`, "limit"})).
		WithPanel(number("vCore hours", "Of sessions and batches that ended within a day.", "short", 0,
			query{`sum(increase(caddy_livy_vcore_seconds_total{gateway=~"$gateway"}[1d])) / 3600`, "hours"})).
		WithPanel(number("GB hours", "Of sessions and batches that ended within a day.", "short", 0,
			query{`sum(increase(caddy_livy_gb_seconds_total{gateway=~"$gateway"}[1d])) / 3600`, "hours"})).
		WithPanel(graph("Cores in use by gateway", "", "short",
			query{`topk(15, sum by (gateway) (caddy_livy_vcores_in_use{gateway=~"$gateway"}))`, "{{gateway}}"})).
		WithPanel(graph("Memory in use by gateway", "", "bytes",
			query{`topk(15, sum by (gateway) (caddy_livy_memory_in_use_bytes{gateway=~"$gateway"}))`, "{{gateway}}"})).
		WithPanel(graph("Live sessions and batches by gateway", "", "short",
			query{`topk(15, sum by (gateway) (caddy_livy_live{gateway=~"$gateway"}))`, "{{gateway}}"})).
		WithPanel(graph("CPU of Livy servers", "Of the limit; the ten busiest ones.", "percentunit",
			query{`topk(10, sum by (gateway) (rate(caddy_livy_server_cpu_seconds_total{gateway=~"$gateway"}[$__rate_interval])) / max by (gateway) (caddy_livy_server_cpu_limit_cores{gateway=~"$gateway"}))`, "{{gateway}}"})).
		WithPanel(graph("Memory of Livy servers", "Of the limit; the ten fullest ones.", "percentunit",
			query{`topk(10, sum by (gateway) (caddy_livy_server_memory_bytes{gateway=~"$gateway"}) / max by (gateway) (caddy_livy_server_memory_limit_bytes{gateway=~"$gateway"}))`, "{{gateway}}"})).
		WithPanel(graph("vCore hours by gateway", "In a day.", "short",
			query{`topk(15, sum by (gateway) (increase(caddy_livy_vcore_seconds_total{gateway=~"$gateway"}[1d])) / 3600)`, "{{gateway}}"})).
		WithPanel(graph("Budgets", "The largest part that one of those who have the budget has used.", "percentunit",
			query{`max by (budget) (caddy_livy_budget_used_ratio)`, "{{budget}}"})).
		WithPanel(graph("Creates that budgets and quotas refused", "In an hour.", "short",
			query{`sum by (name) (increase(caddy_livy_budget_refusals_total[1h]))`, "{{name}}"})).
		WithPanel(graph("Creates by gateway", "In an hour.", "short",
			query{`topk(15, sum by (gateway) (increase(caddy_livy_creates_total{gateway=~"$gateway", decision="sent"}[1h])))`, "{{gateway}}"})).
		WithPanel(graph("From a create to idle or running", "The slowest of twenty.", "s",
			query{quantile("0.95", "caddy_livy_create_ready_seconds", `{gateway=~"$gateway"}`, "kind, start"), "{{kind}}, {{start}}"})).
		WithPanel(graph("Wake-ups", "Starts in an hour that requests caused, and how long requests waited.", "short",
			query{`sum(increase(caddy_livy_starts_total{gateway=~"$gateway", reason="request"}[1h]))`, "starts"},
			query{quantile("0.95", "caddy_livy_wake_wait_seconds", `{gateway=~"$gateway"}`, ""), "seconds, 95 %"}))
}
