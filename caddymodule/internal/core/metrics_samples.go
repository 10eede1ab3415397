package core

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// samples are the metrics that are measured now and then rather than when they are collected,
// since measuring takes a call to Redis or to the runtime.
type samples struct {
	mu     sync.Mutex
	usage  map[string]upstream.Usage // by gateway id
	tokens map[string]map[string]int // by gateway id and time left
	audit  int64                     // -1 until it is known
}

// CountInterval is the pause between two counts of tokens and of the audit log. Tests wait less.
var CountInterval = time.Minute

// sampleTimeout bounds the measuring of one gateway.
const sampleTimeout = 5 * time.Second

// takeSamples measures until ctx ends.
func (c *Core) takeSamples(ctx context.Context) {
	var counted, measured time.Time
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if now.Sub(counted) >= CountInterval {
			c.countTokens(ctx)
			counted = now
		}
		if every := usageInterval(); every > 0 && now.Sub(measured) >= every {
			c.measureServers(ctx)
			measured = now
		}
	}
}

// usageInterval returns the pause between two measurements of servers, 0 if there are none.
func usageInterval() time.Duration {
	if now := inForce.Load(); now != nil {
		return now.ServerUsage
	}
	return 0
}

// supervised lists the gateways that this instance supervises.
func (c *Core) supervised() (mine []*gateway.Gateway) {
	all, _ := c.Manager.Snapshot() // none until they have been read
	for _, g := range all {
		if c.Manager.Holds(g.ID) {
			mine = append(mine, g)
		}
	}
	return mine
}

// countTokens counts the tokens of the gateways that this instance supervises, and the entries of
// the audit log. What cannot be read keeps its last value.
func (c *Core) countTokens(ctx context.Context) {
	if n, err := c.Store.AuditLength(ctx); err == nil {
		c.samples.mu.Lock()
		c.samples.audit = n
		c.samples.mu.Unlock()
	}
	counts, now := make(map[string]map[string]int), time.Now()
	for _, g := range c.supervised() {
		all, err := c.Tokens.List(ctx, g.ID)
		if err != nil {
			return
		}
		mine := map[string]int{"expired": 0, "1d": 0, "7d": 0, "30d": 0, "longer": 0}
		for _, t := range all {
			c.noticeToken(g, t, now)
			if t.RevokedAt.IsZero() && !t.Disabled {
				mine[daysLeft(t.ExpiresAt, now)]++
			}
		}
		counts[g.ID] = mine
	}
	c.samples.mu.Lock()
	c.samples.tokens = counts
	c.samples.mu.Unlock()
}

// measureServers measures the servers of the gateways that this instance supervises.
func (c *Core) measureServers(ctx context.Context) {
	if m, ok := c.Manager.Runtime.(upstream.Meter); ok {
		c.samples.measure(ctx, m, c.supervised(), c.Log)
	}
}

// measure measures the primary servers of gateways that run.
func (s *samples) measure(ctx context.Context, m upstream.Meter, all []*gateway.Gateway, log *zap.Logger) {
	found := make(map[string]upstream.Usage)
	for _, g := range all {
		if g.Status.State != gateway.StateRunning || ctx.Err() != nil {
			continue
		}
		for _, id := range servingIDs(g) {
			bounded, cancel := context.WithTimeout(ctx, sampleTimeout)
			u, err := m.Usage(bounded, id)
			cancel()
			if err != nil {
				log.Debug("cannot measure a Livy server", zap.String("gateway", id), zap.Error(err))
				continue
			}
			s.mu.Lock()
			if was := s.usage[id]; was.Instance == u.Instance {
				u.CPUSeconds = max(u.CPUSeconds, was.CPUSeconds) // processes that have ended may be missing
			}
			s.mu.Unlock()
			found[id] = u
		}
	}
	s.mu.Lock()
	s.usage = found
	s.mu.Unlock()
}

// collect adds what was measured of a gateway.
func (s *samples) collect(to sums, m *control.Manager, g *gateway.Gateway) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for left, n := range s.tokens[g.ID] {
		to.add(tokenCount, float64(n), g.Ref(), left)
	}
	if g.Status.State != gateway.StateRunning {
		return
	}
	spec := m.Effective(g)
	for _, id := range servingIDs(g) { // the sum of them
		u, ok := s.usage[id]
		if !ok {
			continue
		}
		to.add(serverCPU, u.CPUSeconds, g.Ref())
		to.add(serverCPULimit, float64(spec.CPU), g.Ref())
		to.add(serverMemory, float64(u.MemoryBytes), g.Ref())
		to.add(serverMemoryLimit, float64(spec.MemoryBytes()), g.Ref())
	}
}

// servingIDs returns the ids of the servers that take a gateway's creates.
func servingIDs(g *gateway.Gateway) []string {
	ids := []string{g.ServerID()}
	for i := range g.Status.Servers {
		if v := &g.Status.Servers[i]; v.State == gateway.ServerServing {
			ids = append(ids, gateway.ServerID(g.ID, v.Number))
		}
	}
	return ids
}

// auditLength returns the number of entries in the audit log, if it is known.
func (s *samples) auditLength() (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.audit, s.audit >= 0
}
