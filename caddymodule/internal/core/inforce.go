package core

import (
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Config is what a configuration puts into force.
type Config struct {
	Core *Core
	// Log is the livy app's logger, which writes to the logs of that configuration.
	Log *zap.Logger
	// Emit emits a Caddy event.
	Emit func(name string, data map[string]any)
}

var inForce atomic.Pointer[Config]

// InForce returns the core of the configuration in force, or nil if that has no livy app. It is
// for the admin endpoint, which is set up before apps are, and for what survives reloads.
func InForce() *Core {
	if c := inForce.Load(); c != nil {
		return c.Core
	}
	return nil
}

// SetInForce puts a configuration into force and returns the previous one. Either may be nil.
func SetInForce(c *Config) (before *Config) { return inForce.Swap(c) }

// outOfForce removes a core that has ended.
func outOfForce(c *Core) {
	if now := inForce.Load(); now != nil && now.Core == c {
		inForce.CompareAndSwap(now, nil)
	}
}

// logCore returns the log of the configuration in force, or Caddy's default log if that has no
// livy app.
func logCore() zapcore.Core {
	if c := inForce.Load(); c != nil {
		return c.Log.Core()
	}
	return caddy.Log().Core()
}
