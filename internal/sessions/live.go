package sessions

import (
	"maps"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// Live describes the live sessions and batches of a gateway.
type Live struct {
	// Counts are their numbers by kind and state.
	Counts map[LiveKey]int
	// MilliCPU (thousandths of a core) and MemoryMB (MiB) are the resources that those in use
	// take.
	MilliCPU, MemoryMB int64
}

// LiveKey is a kind and a state.
type LiveKey struct {
	Kind  livy.Kind
	State string
}

// noteLive keeps what a poll found.
func (l *Ledger) noteLive(gatewayID string, records []*store.Record) {
	found := Live{Counts: make(map[LiveKey]int)}
	for _, r := range records {
		if !r.Live() {
			continue
		}
		found.Counts[LiveKey{livy.Kind(r.Kind), r.State}]++
		if !r.Started.IsZero() {
			found.MilliCPU += r.MilliCPU
			found.MemoryMB += r.MemoryMB
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live[gatewayID] = found
}

// forgetLive drops what was noted of a gateway whose server has ended.
func (l *Ledger) forgetLive(gatewayID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.live, gatewayID)
}

// Live returns what the last poll of each gateway found. The instance that supervises a gateway
// polls it; what others know is old.
func (l *Ledger) Live() map[string]Live {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.live)
}

// Waiting returns the number of changes of records that wait until Redis can be reached, and of
// observed states that are not stored yet.
func (l *Ledger) Waiting() (changes, states int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue), len(l.observed)
}
