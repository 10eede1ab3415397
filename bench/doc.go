// Command bench measures what a poll costs: GET of a 0.3 KB reply, as clients
// send it every second or so while they wait for a session or a batch.
//
//	go run ./bench -binary bin/caddy
//
// It compares three paths to the same backend: directly, through Caddy's reverse_proxy alone
// (bare.Caddyfile), and through a gateway with a token (gateway.Caddyfile). They are measured in
// turn over several rounds of one run, so that noise affects all of them. Both Caddys are the
// same binary. On a machine with other load, the CPU time per reply (cpu/reply) is more
// meaningful than the rate. Backend and load generator are as light as possible, so that they
// do not dominate the results.
//
// At the end it measures the CPU time of a policy per create request.
package main
