// Package livygateway registers all Caddy modules of Livy Gateway, so that
// "xcaddy build --with github.com/livygateway/livygateway" is all it takes.
package livygateway

import (
	_ "github.com/livygateway/livygateway/caddymodule"
	_ "github.com/livygateway/livygateway/caddymodule/livyadmin"
	_ "github.com/livygateway/livygateway/caddymodule/livyconsole"
	_ "github.com/livygateway/livygateway/caddymodule/livyhttp"
	_ "github.com/livygateway/livygateway/caddymodule/sparkui"
)
