package caddymodule

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
)

// MetricRules are the settings of the metrics.
type MetricRules struct {
	// Whether metrics leave out the names of gateways and workspaces. What they count of
	// different gateways is then added up.
	WithoutGateways bool `json:"without_gateways,omitempty"`

	// The pause between two measurements of the CPU time and memory of Livy servers. At least
	// 1s; -1 for none. Default: 15s.
	ServerUsage caddy.Duration `json:"server_usage,omitempty"`
}

// defaultServerUsage is the default of ServerUsage.
const defaultServerUsage = 15 * time.Second

func (m *MetricRules) withoutGateways() bool { return m != nil && m.WithoutGateways }

// serverUsage returns the pause between two measurements, 0 for none.
func (m *MetricRules) serverUsage() time.Duration {
	switch {
	case m == nil || m.ServerUsage == 0:
		return defaultServerUsage
	case m.ServerUsage == never:
		return 0
	}
	return time.Duration(m.ServerUsage)
}

// unmarshalMetrics parses the option
//
//	metrics {
//	    without_gateways
//	    server_usage <duration>|never
//	}
func (a *App) unmarshalMetrics(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	a.Metrics = new(MetricRules)
	for d.NextBlock(1) {
		var err error
		switch option := d.Val(); option {
		case "without_gateways":
			err = directive.Flag(d, &a.Metrics.WithoutGateways)
		case "server_usage":
			err = directive.Limit(d, &a.Metrics.ServerUsage, never)
		default:
			return d.Errf("unknown option %q", option)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
