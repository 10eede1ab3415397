package control

import (
	"context"
	"sync"
	"time"

	"github.com/livygateway/livygateway/upstream"
)

// Health reports whether this instance can do its work.
type Health struct {
	// Live is true wherever there is an answer: the process is up.
	Live bool `json:"live"`
	// Ready reports whether requests can be served. An instance is not ready if it cannot
	// reach Redis, cannot reach what Livy servers run on, or has not read the gateways yet.
	Ready bool `json:"ready"`
	// Reasons lists why the instance is not ready; empty if it is.
	Reasons []Unready `json:"reasons"`
}

// Unready is one reason why an instance is not ready.
type Unready struct {
	// Part is "redis", "runtime" or "gateways".
	Part string `json:"part"`
	// Message describes the problem.
	Message string `json:"message"`
}

// healthTimeout bounds one check, and healthLife is how long its result is reused.
const (
	healthTimeout = 2 * time.Second
	healthLife    = time.Second
)

// health caches the result of the last check.
type health struct {
	mu     sync.Mutex
	last   Health
	looked time.Time
}

// Health reports whether this instance is ready. It is safe to expose to anybody: the
// parts are checked once a second at most, however often it is called.
func (m *Manager) Health(ctx context.Context) Health {
	m.health.mu.Lock()
	defer m.health.mu.Unlock()
	if m.health.looked.IsZero() || m.Now().Sub(m.health.looked) >= healthLife {
		// The result serves other callers too, so it must not depend on this one's context.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTimeout)
		defer cancel()
		m.health.last = m.checkHealth(ctx)
		m.health.looked = m.Now() // after the check, so that callers waiting for it use its result
	}
	return m.health.last
}

func (m *Manager) checkHealth(ctx context.Context) Health {
	h := Health{Live: true, Reasons: []Unready{}}
	report := func(part string, err error) {
		if err != nil {
			h.Reasons = append(h.Reasons, Unready{Part: part, Message: err.Error()})
		}
	}
	report("redis", m.Store.Ping(ctx))
	if p, ok := m.Runtime.(upstream.Pinger); ok {
		report("runtime", p.Ping(ctx))
	}
	if m.snapshots.current.Load() == nil {
		h.Reasons = append(h.Reasons,
			Unready{Part: "gateways", Message: "the gateways have not been read from Redis yet"})
	}
	h.Ready = len(h.Reasons) == 0
	return h
}
