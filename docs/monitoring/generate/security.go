package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

func security() *dashboard.DashboardBuilder {
	b := gateways(board("Livy Gateway: security", "livygw-security", "Tokens, refusals and policies."), true)
	return b.
		WithPanel(number("Expired tokens", "", "short", 0,
			query{`sum(caddy_livy_tokens{gateway=~"$gateway", left="expired"})`, "tokens"})).
		WithPanel(number("Tokens that expire within a day", "", "short", 1,
			query{`sum(caddy_livy_tokens{gateway=~"$gateway", left="1d"})`, "tokens"})).
		WithPanel(number("Tokens that expire within a week", "", "short", 0,
			query{`sum(caddy_livy_tokens{gateway=~"$gateway", left=~"1d|7d"})`, "tokens"})).
		WithPanel(number("Entries in the audit log", "", "short", 0,
			query{`max(caddy_livy_audit_entries)`, "entries"})).
		WithPanel(number("Refused requests", "In an hour.", "short", 0,
			query{`sum(increase(caddy_livy_refusals_total{gateway=~"$gateway"}[1h]))`, "requests"})).
		WithPanel(number("Addresses that guess", "Requests in an hour from addresses with too many wrong tokens.", "short", 1,
			query{`sum(increase(caddy_livy_refusals_total{gateway=~"$gateway", reason="too_many_failures"}[1h]))`, "requests"})).
		WithPanel(graph("Refusals by reason", "", "reqps",
			query{`sum by (reason) (rate(caddy_livy_refusals_total{gateway=~"$gateway"}[$__rate_interval]))`, "{{reason}}"})).
		WithPanel(graph("Refused tokens by gateway", "", "reqps",
			query{`sum by (gateway) (rate(caddy_livy_refusals_total{gateway=~"$gateway", reason=~"missing|malformed|unknown|expired|revoked|disabled|wrong_gateway|address|scope"}[$__rate_interval]))`, "{{gateway}}"})).
		WithPanel(graph("Token checks", "By the source of the result.", "reqps",
			query{`sum by (result) (rate(caddy_livy_token_checks_total[$__rate_interval]))`, "{{result}}"})).
		WithPanel(graph("Tokens by the time left", "", "short",
			query{`sum by (left) (caddy_livy_tokens{gateway=~"$gateway"})`, "{{left}}"})).
		WithPanel(graph("What policies did", "", "cps",
			query{`sum by (action) (rate(caddy_livy_policy_total{gateway=~"$gateway"}[$__rate_interval]))`, "{{action}}"})).
		WithPanel(graph("Rules that refused", "In an hour, the ten most frequent ones.", "short",
			query{`topk(10, sum by (gateway, rule) (increase(caddy_livy_policy_rules_total{gateway=~"$gateway", action="refused"}[1h])))`, "{{gateway}}: {{rule}}"})).
		WithPanel(graph("Creates by decision", "", "cps",
			query{`sum by (kind, decision) (rate(caddy_livy_creates_total{gateway=~"$gateway"}[$__rate_interval]))`, "{{kind}} {{decision}}"})).
		WithPanel(graph("Requests to unknown paths", "", "reqps",
			query{`sum by (gateway) (rate(caddy_livy_requests_total{route="none"}[$__rate_interval]))`, "{{gateway}}"}))
}
