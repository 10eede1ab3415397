package core

import (
	"sync"
	"sync/atomic"
	"time"

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
	// WithoutGateways leaves the names of gateways out of metrics.
	WithoutGateways bool
	// ServerUsage is the pause between two measurements of Livy servers, 0 for none.
	ServerUsage time.Duration
}

var inForce atomic.Pointer[Config]

// replaced is the channel of Replaced.
var replaced = struct {
	mu sync.Mutex
	ch chan struct{}
}{ch: make(chan struct{})}

// Replaced returns a channel that is closed when the next configuration is put into force.
// Streams on the admin endpoint end then: Caddy replaces that endpoint with each
// configuration, and waits for the requests of the old one.
func Replaced() <-chan struct{} {
	replaced.mu.Lock()
	defer replaced.mu.Unlock()
	return replaced.ch
}

// InForce returns the core of the configuration in force, nil if that has no livy app. It
// is for what is made before apps are, the admin endpoint, and for what outlives a reload.
func InForce() *Core {
	if c := inForce.Load(); c != nil {
		return c.Core
	}
	return nil
}

// SetInForce puts a configuration into force and returns the previous one. Either may be nil.
func SetInForce(c *Config) (before *Config) {
	before = inForce.Swap(c)
	if c != nil {
		nameGateways(!c.WithoutGateways)
	}
	replaced.mu.Lock()
	defer replaced.mu.Unlock()
	close(replaced.ch)
	replaced.ch = make(chan struct{})
	return before
}

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
