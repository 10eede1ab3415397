package control

import (
	"context"
	"sync"

	"github.com/livygateway/livygateway/internal/store"
)

// reconcilers holds the reconcilers of the gateways whose leases are or were held, by
// gateway id.
type reconcilers struct {
	mu  sync.Mutex
	all map[string]*reconciler
	// seen holds the gateways for which leases were claimed.
	seen map[string]bool
}

// startReconciler starts the reconciler of a gateway whose lease was gained.
func (m *Manager) startReconciler(id string, number int64) {
	m.reconcilers.mu.Lock()
	defer m.reconcilers.mu.Unlock()
	before := m.reconcilers.all[id]
	ctx, cancel := context.WithCancel(m.ctx)
	r := &reconciler{
		m: m, id: id, fence: store.Fence{GatewayID: id, Number: number},
		kicked: make(chan struct{}, 1), pollSoon: make(chan struct{}, 1),
		cancel: cancel, done: make(chan struct{}),
	}
	m.reconcilers.all[id] = r
	m.wg.Go(func() {
		defer close(r.done)
		if before != nil { // wait for its last step
			<-before.done
		}
		r.run(ctx)
	})
}

// stopReconciler stops the reconciler of a gateway whose lease was lost.
func (m *Manager) stopReconciler(id string) {
	m.reconcilers.mu.Lock()
	defer m.reconcilers.mu.Unlock()
	if r := m.reconcilers.all[id]; r != nil {
		r.cancel()
	}
}

// kick makes a gateway's reconciler take its next step now, if it runs on this instance.
func (m *Manager) kick(id string) {
	m.reconcilers.mu.Lock()
	defer m.reconcilers.mu.Unlock()
	if r := m.reconcilers.all[id]; r != nil {
		r.kick()
	}
}

// PollSoon makes a gateway's reconciler poll the Livy server now, or within a second if
// it has just done so. It never blocks. It has no effect unless this instance
// supervises the gateway.
func (m *Manager) PollSoon(id string) {
	m.reconcilers.mu.Lock()
	r := m.reconcilers.all[id]
	m.reconcilers.mu.Unlock()
	if r == nil {
		return
	}
	select {
	case r.pollSoon <- struct{}{}:
	default:
	}
}

// kickChanged is kickAll for one gateway: with thousands of them, most of the work of a change
// would be to wake the reconcilers of all others.
func (m *Manager) kickChanged(id string) {
	var gone *reconciler
	defer func() {
		if gone != nil {
			m.leaseholder.drop(id, gone.fence.Number)
		}
	}()
	m.reconcilers.mu.Lock()
	defer m.reconcilers.mu.Unlock()
	known := m.snapshots.current.Load().byID[id] != nil
	if r := m.reconcilers.all[id]; r != nil {
		r.kick()
		if !known {
			r.cancel()
			delete(m.reconcilers.all, id)
			gone = r
		}
	}
	switch {
	case !known:
		delete(m.reconcilers.seen, id)
	case !m.reconcilers.seen[id]:
		if m.reconcilers.seen == nil {
			m.reconcilers.seen = make(map[string]bool)
		}
		m.reconcilers.seen[id] = true
		m.leaseholder.kick()
	}
}

// kickAll makes all reconcilers check whether their gateways have changed, and starts a
// lease round if there are new gateways.
func (m *Manager) kickAll() {
	var gone []*reconciler
	// A lease held without a reconciler would keep every instance from supervising the gateway.
	defer func() {
		for _, r := range gone {
			m.leaseholder.drop(r.id, r.fence.Number)
		}
	}()
	m.reconcilers.mu.Lock()
	defer m.reconcilers.mu.Unlock()
	current := m.snapshots.current.Load()
	for id, r := range m.reconcilers.all {
		r.kick()
		if current.byID[id] == nil {
			r.cancel()
			delete(m.reconcilers.all, id)
			gone = append(gone, r)
		}
	}
	fresh := false
	seen := make(map[string]bool, len(current.byID))
	for id := range current.byID {
		seen[id] = true
		fresh = fresh || !m.reconcilers.seen[id]
	}
	m.reconcilers.seen = seen
	if fresh {
		m.leaseholder.kick()
	}
}
