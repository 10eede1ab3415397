// Package caddymodule is the Caddy surface of Livy Gateway. It is thin: what the
// gateway knows and does lives in packages that do not import Caddy.
package caddymodule
