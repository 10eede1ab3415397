// Command bench measures what a poll costs: GET of a 0.3 KB reply, as clients
// send it every second or so while they wait for a session or a batch.
//
//	go run ./bench -binary bin/caddy
//
// It compares three ways to the same backend, in turn and over several rounds of
// one run, so that a noisy machine is noisy for all of them: directly, through
// Caddy's reverse_proxy alone (bare.Caddyfile), and through a gateway with a
// token (gateway.Caddyfile). Both Caddys are the same binary. What a Caddy
// computes for a reply (cpu/reply) tells more than its rate on a machine that
// does other things too. Backend and load generator are as light as they can be,
// so that what is compared is not lost in what is not.
//
// At the end it measures what a policy computes for a create request.
package main
