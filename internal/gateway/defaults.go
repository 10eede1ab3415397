package gateway

import (
	"cmp"
	"time"
)

// Defaults of settings. Internal timeouts that cannot be set are defined where they are used.
const (
	// DefaultWorkspace is the workspace of gateways that do not set one.
	DefaultWorkspace = "default"
	// DefaultLivy is the assumed Livy version of engines that do not set one.
	DefaultLivy = "0.8.0"
	// DefaultIdleMinutes is the default of AutoStop.Minutes.
	DefaultIdleMinutes = 45
	// DefaultWaitSeconds is the default of AutoStart.WaitSeconds.
	DefaultWaitSeconds = 60

	// DefaultStartTimeout bounds the time from a start of Livy to its first response.
	DefaultStartTimeout = 3 * time.Minute
	// DefaultUnresponsiveAfter is how long a running Livy server may be silent until
	// requests to it are refused, DefaultRestartUnresponsive until it is restarted.
	DefaultUnresponsiveAfter   = 15 * time.Second
	DefaultRestartUnresponsive = 5 * time.Minute
	// DefaultDrain is how long a Livy server that was replaced keeps its sessions and
	// batches, MaxDrain the longest time that can be asked for.
	DefaultDrain = 2 * time.Hour
	MaxDrain     = 7 * 24 * time.Hour
	// DefaultRetention is how long records are kept after their creation.
	DefaultRetention = 30 * 24 * time.Hour
	// DefaultAuditRetention is how long audit entries are kept.
	DefaultAuditRetention = 90 * 24 * time.Hour

	// DefaultMaxBody bounds create requests, DefaultMaxCode statements and jobs,
	// DefaultMaxUpload uploaded files, in bytes. The last one is Livy's own limit.
	DefaultMaxBody   = 1 << 20
	DefaultMaxCode   = 4 << 20
	DefaultMaxUpload = 100 << 20

	// DefaultTokenLifetime is how long a token is valid.
	DefaultTokenLifetime = 365 * 24 * time.Hour
	// DefaultTokenGrace is how long a verified token stays valid for reading while Redis is
	// unreachable.
	DefaultTokenGrace = time.Minute
)

// Default sizes of gateways, smallest first: those of the managed product.
var (
	defaultCPUs     = []int{1, 2, 4}
	defaultMemories = []string{"4Gi", "8Gi", "16Gi"}
)

// WithDefaults returns the spec with defaults filled in. Only explicit settings are stored;
// defaults are filled in whenever a spec is read, so that the operator can change them.
func (s Spec) WithDefaults(c *Catalog) Spec {
	s.CPU = cmp.Or(s.CPU, c.AllowedCPUs()[0])
	s.Memory = cmp.Or(s.Memory, c.AllowedMemories()[0])
	if s.Engine == "" && len(c.Engines) > 0 {
		s.Engine = c.Engines[0].Name
	}
	if e, ok := c.Engine(s.Engine); ok && s.LivyVersion == "" {
		s.LivyVersion = e.LivyVersion()
	}
	if s.AutoStop.Enabled {
		s.AutoStop.Minutes = cmp.Or(s.AutoStop.Minutes, DefaultIdleMinutes)
	}
	return s
}

// Defaults holds the values of settings that take effect at a start and that a gateway's
// Spec leaves to the operator.
type Defaults struct {
	CPU         int    `json:"cpu,omitempty"`
	Memory      string `json:"memory,omitempty"`
	Engine      string `json:"engine,omitempty"`
	LivyVersion string `json:"livyVersion,omitempty"`
}

// Lacks returns the defaults that a spec takes from the operator, or nil if there are none.
// full is the same spec with defaults filled in.
func (s *Spec) Lacks(full *Spec) *Defaults {
	var d Defaults
	if s.CPU == 0 {
		d.CPU = full.CPU
	}
	if s.Memory == "" {
		d.Memory = full.Memory
	}
	if s.Engine == "" {
		d.Engine = full.Engine
	}
	if s.LivyVersion == "" {
		d.LivyVersion = full.LivyVersion
	}
	if d == (Defaults{}) {
		return nil
	}
	return &d
}

// filled returns the spec with missing settings taken from d, which may be nil.
func (s Spec) filled(d *Defaults) Spec {
	if d != nil {
		s.CPU, s.Memory = cmp.Or(s.CPU, d.CPU), cmp.Or(s.Memory, d.Memory)
		s.Engine, s.LivyVersion = cmp.Or(s.Engine, d.Engine), cmp.Or(s.LivyVersion, d.LivyVersion)
	}
	return s
}
