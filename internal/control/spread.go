package control

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/sessions"
)

// Creates are spread over the serving servers of a gateway: each goes to the one with the fewest
// live sessions and batches. Their records are in Redis, so instances agree, except on creates
// that begin at the same moment.

// spreading counts the creates that this process has given to servers and not recorded yet, by
// gateway and epoch.
type spreading struct {
	mu    sync.Mutex
	begun map[serverKey]int
}

type serverKey struct {
	gatewayID string
	epoch     int64
}

// Spread returns the entry of the server that a create is to be sent to. done must be called once
// the create is recorded, or given up. A gateway with one server costs nothing.
func (m *Manager) Spread(ctx context.Context, e *Entry) (to *Entry, done func(), err error) {
	if len(e.beside) == 0 {
		return e, func() {}, nil
	}
	live, err := m.Ledger.LivingByEpoch(ctx, e.Gateway.ID)
	if err != nil {
		return e, func() {}, err
	}
	s := &m.spreading
	s.mu.Lock()
	defer s.mu.Unlock()
	to = m.leastLoaded(e, live)
	k := serverKey{e.Gateway.ID, to.Gateway.Status.Epoch}
	if s.begun == nil {
		s.begun = make(map[serverKey]int)
	}
	s.begun[k]++
	return to, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.begun[k]--; s.begun[k] == 0 {
			delete(s.begun, k)
		}
	}), nil
}

// leastLoaded returns the server with the fewest sessions and batches among those that have room,
// or among all that serve. It requires m.spreading.mu.
func (m *Manager) leastLoaded(e *Entry, live map[int64]sessions.LiveCounts) *Entry {
	var best *Entry
	var least int
	roomy, ties := false, 0
	for i := -1; i < len(e.beside); i++ {
		server := e
		if i >= 0 {
			server = e.beside[i]
		}
		if i >= 0 && !server.serves || !server.accepts() {
			continue
		}
		epoch := server.Gateway.Status.Epoch
		begun := m.spreading.begun[serverKey{e.Gateway.ID, epoch}]
		room := live[epoch].Starting+begun < server.creationLimit() && !m.full(server.Gateway, 1)
		n := live[epoch].Total() + begun
		switch {
		case best == nil || room && !roomy || room == roomy && n < least:
			best, least, roomy, ties = server, n, room, 1
		case room == roomy && n == least:
			// Two instances must not prefer the same one of equal servers.
			if ties++; rand.IntN(ties) == 0 { //nolint:gosec // nobody gains by guessing it
				best = server
			}
		}
	}
	if best == nil {
		return e // it says why
	}
	return best
}

// accepts reports whether the server answers.
func (e *Entry) accepts() bool {
	s := &e.Gateway.Status
	return s.State == gateway.StateRunning && s.UnresponsiveSince.IsZero()
}

// creationLimit returns how many sessions and batches may start at the same time on a server.
func (e *Entry) creationLimit() int {
	n, err := strconv.Atoi(e.resolution.inForce.LivyConf("livy.server.session.max-creation"))
	if err != nil {
		return 100 // Livy's own default
	}
	return n
}
