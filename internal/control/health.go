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
	// Ready reports whether requests can be served. Not ready is who cannot reach Redis,
	// cannot reach what Livy servers run on, or has not read the gateways yet.
	Ready bool `json:"ready"`
	// Reasons say why it is not ready; empty if it is.
	Reasons []Unready `json:"reasons"`
}

// Unready is a part that keeps an instance from being ready.
type Unready struct {
	// Part is "redis", "runtime" or "gateways".
	Part string `json:"part"`
	// Message says what is wrong with it, for people.
	Message string `json:"message"`
}

// How long one look at the parts may take, and how long its result is good for,
// however often it is asked for.
const (
	healthTimeout = 2 * time.Second
	healthLife    = time.Second
)

// health keeps the result of the last look.
type health struct {
	mu     sync.Mutex
	last   Health
	looked time.Time
}

// Health looks whether this instance is ready. It may be asked by anybody, as often
// as they like: the parts are asked once a second at most.
func (m *Manager) Health(ctx context.Context) Health {
	m.health.mu.Lock()
	defer m.health.mu.Unlock()
	if m.health.looked.IsZero() || m.Now().Sub(m.health.looked) >= healthLife {
		// Whoever asked may go away: the answer is for others too.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTimeout)
		defer cancel()
		m.health.last = m.look(ctx)
		m.health.looked = m.Now() // when it ended: who waited for it takes its result
	}
	return m.health.last
}

func (m *Manager) look(ctx context.Context) Health {
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
	if m.view.current.Load() == nil {
		h.Reasons = append(h.Reasons, Unready{Part: "gateways", Message: "the gateways have not been read from Redis yet"})
	}
	h.Ready = len(h.Reasons) == 0
	return h
}
