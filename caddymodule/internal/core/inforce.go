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
	// Log is the livy app's logger, which goes where that configuration's logs do.
	Log *zap.Logger
	// Emit emits an event of Caddy's.
	Emit func(name string, data map[string]any)
}

var inForce atomic.Pointer[Config]

// InForce returns the core of the configuration in force, nil if that has no livy app. It
// is for what is made before apps are, the admin endpoint, and for what outlives a reload.
func InForce() *Core {
	if c := inForce.Load(); c != nil {
		return c.Core
	}
	return nil
}

// SetInForce puts a configuration into force and returns the one before; nil for none.
func SetInForce(c *Config) (before *Config) { return inForce.Swap(c) }

// outOfForce forgets a core that has ended.
func outOfForce(c *Core) {
	if now := inForce.Load(); now != nil && now.Core == c {
		inForce.CompareAndSwap(now, nil)
	}
}

// logCore is where the log of the configuration in force goes, Caddy's default log if none
// with a livy app is.
func logCore() zapcore.Core {
	if c := inForce.Load(); c != nil {
		return c.Log.Core()
	}
	return caddy.Log().Core()
}
