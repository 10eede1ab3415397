package control

import (
	"context"
	"sync"

	"github.com/livygateway/livygateway/internal/store"
)

// workers are those of the gateways whose leases are or were held, by gateway id.
type workers struct {
	mu  sync.Mutex
	all map[string]*worker
	// seen are the gateways for which leases were claimed.
	seen map[string]bool
}

// employ starts the worker of a gateway whose lease was gained.
func (m *Manager) employ(id string, number int64) {
	m.workers.mu.Lock()
	defer m.workers.mu.Unlock()
	before := m.workers.all[id]
	ctx, cancel := context.WithCancel(m.ctx)
	w := &worker{m: m, id: id, fence: store.Fence{GatewayID: id, Number: number}, kicked: make(chan struct{}, 1), soon: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	m.workers.all[id] = w
	m.wg.Go(func() {
		defer close(w.done)
		if before != nil { // it ends its last step
			<-before.done
		}
		w.run(ctx)
	})
}

// dismiss ends the worker of a gateway whose lease was lost.
func (m *Manager) dismiss(id string) {
	m.workers.mu.Lock()
	defer m.workers.mu.Unlock()
	if w := m.workers.all[id]; w != nil {
		w.cancel()
	}
}

// kick makes a gateway's worker, if it is here, look at once.
func (m *Manager) kick(id string) {
	m.workers.mu.Lock()
	defer m.workers.mu.Unlock()
	if w := m.workers.all[id]; w != nil {
		w.kick()
	}
}

// PollSoon makes a gateway's worker look at its Livy server at once, or within a
// second if it has just done so. It never waits. On another instance than the one
// that supervises the gateway it does nothing.
func (m *Manager) PollSoon(id string) {
	m.workers.mu.Lock()
	w := m.workers.all[id]
	m.workers.mu.Unlock()
	if w == nil {
		return
	}
	select {
	case w.soon <- struct{}{}:
	default:
	}
}

// kickAll makes all workers look whether their gateways have changed, and has
// leases claimed on gateways that are new.
func (m *Manager) kickAll() {
	var gone []*worker
	// A lease without a worker would keep the gateway from ever being supervised.
	defer func() {
		for _, w := range gone {
			m.keeper.drop(w.id, w.fence.Number)
		}
	}()
	m.workers.mu.Lock()
	defer m.workers.mu.Unlock()
	picture := m.view.current.Load()
	for id, w := range m.workers.all {
		w.kick()
		if picture.byID[id] == nil {
			w.cancel()
			delete(m.workers.all, id)
			gone = append(gone, w)
		}
	}
	fresh := false
	seen := make(map[string]bool, len(picture.byID))
	for id := range picture.byID {
		seen[id] = true
		fresh = fresh || !m.workers.seen[id]
	}
	m.workers.seen = seen
	if fresh {
		m.keeper.kick()
	}
}
