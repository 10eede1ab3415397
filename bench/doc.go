// Command bench measures what requests cost on several paths to the same backend: through the
// gateway, Caddy's reverse_proxy alone, nginx, HAProxy and Envoy, in turn over several rounds of one
// run, so that noise affects all of them.
//
//	go run ./bench -binary bin/caddy
//
// Backend and load generator are as light as possible, so that they do not dominate the results. With
// -scale it measures the gateway alone, in installations of several sizes. README.md tells how to
// read the results.
package main
