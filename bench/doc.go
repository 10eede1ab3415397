// Command bench measures what a poll costs: GET of a 0.3 KB reply, as clients
// send it every second or so while they wait for a session or a batch.
//
//	go run ./bench -binary bin/caddy
//
// It compares the gateway with Caddy's reverse_proxy alone, nginx and HAProxy, in turn over several
// rounds of one run, so that noise affects all of them. Backend and load generator are as light as
// possible, so that they do not dominate the results. README.md tells how to read them.
//
// At the end it measures the CPU time of a policy per create request.
package main
