// Command xcaddy-build is Caddy with its standard modules and those of Livy Gateway. It is
// the binary that
//
//	xcaddy build --with github.com/livygateway/livygateway
//
// builds, but built reproducibly from this module's go.mod and debuggable like any other main
// package.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/livygateway/livygateway"
)

func main() {
	caddycmd.Main()
}
