package core

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// knownUsage is a runtime that knows what some servers use.
type knownUsage map[string]upstream.Usage // by the id of the server

func (m knownUsage) Usage(_ context.Context, serverID string) (upstream.Usage, error) {
	u, ok := m[serverID]
	if !ok {
		return u, errors.New("no such server")
	}
	return u, nil
}

// TestMeasuredServers checks that the server of a gateway which takes new sessions is measured,
// whatever its number, and that its processor time never falls.
func TestMeasuredServers(t *testing.T) {
	first := &gateway.Gateway{ID: "lc-first", Status: gateway.Status{State: gateway.StateRunning}}
	second := &gateway.Gateway{ID: "lc-second", Status: gateway.Status{State: gateway.StateRunning, Number: 2}}
	stopped := &gateway.Gateway{ID: "lc-stopped"}
	all := []*gateway.Gateway{first, second, stopped, {ID: "lc-away", Status: first.Status}}
	m := knownUsage{
		"lc-first":    {Instance: "a", CPUSeconds: 10},
		"lc-second":   {Instance: "drains", CPUSeconds: 50},
		"lc-second.2": {Instance: "serves", CPUSeconds: 20},
		"lc-stopped":  {Instance: "c", CPUSeconds: 30},
	}
	var s samples
	check := func(when string, want map[string]upstream.Usage) {
		t.Helper()
		s.measure(t.Context(), m, all, zap.NewNop())
		if len(s.usage) != len(want) {
			t.Errorf("%s: measured %v, want %v", when, s.usage, want)
		}
		for id, u := range want {
			if s.usage[id] != u {
				t.Errorf("%s: %s uses %v, want %v", when, id, s.usage[id], u)
			}
		}
	}
	check("at first", map[string]upstream.Usage{"lc-first": m["lc-first"], "lc-second.2": m["lc-second.2"]})

	// A process of the first server has ended, and the second server was started again.
	m["lc-first"] = upstream.Usage{Instance: "a", CPUSeconds: 8}
	m["lc-second.2"] = upstream.Usage{Instance: "new", CPUSeconds: 1}
	check("later", map[string]upstream.Usage{"lc-first": {Instance: "a", CPUSeconds: 10}, "lc-second.2": m["lc-second.2"]})
}
