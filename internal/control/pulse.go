package control

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/livygateway/livygateway/internal/gateway"
)

const (
	// beatEvery is the pause between two beats of a process that is not halted.
	beatEvery = 250 * time.Millisecond
	// haltLimit is the pause between two beats from which on it counts as halted:
	// others may have replaced servers meanwhile. Their leases take longer to move.
	haltLimit = 2 * time.Second
	// awakePatience is how long a request waits for the picture to be read anew.
	awakePatience = 2 * time.Second
)

// pulse notices that the process was halted and goes on: a machine that swaps, a
// virtual machine that was moved, a SIGSTOP. Whoever looks first notices it.
type pulse struct {
	last  atomic.Pointer[time.Time] // the last beat; nil before the first one
	halts atomic.Int64              // how many were noticed
	seen  atomic.Int64              // halts after which all gateways were read anew
	read  singleflight.Group
}

// look returns how many halts were noticed up to now.
func (p *pulse) look(now time.Time) int64 {
	if last := p.last.Load(); last != nil && between(*last, now) > haltLimit {
		p.halts.Add(1) // first, so that nobody finds a fresh beat and no halt
		p.last.Store(&now)
	}
	return p.halts.Load()
}

// between is how far two times are apart by the monotonic clock or by that on the
// wall: the former stands still while a machine sleeps.
func between(a, b time.Time) time.Duration { return max(b.Sub(a), b.Round(0).Sub(a.Round(0))) }

func (p *pulse) run(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	defer p.last.Store(nil)
	for {
		now := time.Now()
		p.look(now)
		p.last.Store(&now)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Awake returns a number that is another one after each time that this process was
// halted. After such a time it first reads all gateways anew, and fails with
// KindUnavailable if Redis does not answer. Else it asks nobody.
func (m *Manager) Awake(ctx context.Context) (int64, error) {
	halts := m.pulse.look(time.Now())
	for m.pulse.seen.Load() < halts { // what was under way at the halt does not count
		select {
		case got := <-m.pulse.read.DoChan("", m.wakeUp):
			if got.Err != nil {
				return halts, gateway.Wrap(gateway.KindUnavailable, "this instance was halted and knows nothing new yet", got.Err)
			}
		case <-ctx.Done():
			return halts, gateway.Wrap(gateway.KindUnavailable, "waiting for Redis", ctx.Err())
		}
	}
	return halts, nil
}

// wakeUp reads all gateways anew after a halt. It is for several requests at once.
func (m *Manager) wakeUp() (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), awakePatience)
	defer cancel()
	halts := m.pulse.halts.Load()
	err := m.refreshAll(ctx)
	if err == nil {
		m.pulse.seen.Store(halts)
	}
	return nil, err
}

// StillAwake fails with KindUnavailable if this process was halted since Awake
// returned a number, and the gateway was changed meanwhile: its Livy server may be
// another one.
func (m *Manager) StillAwake(ctx context.Context, e *Entry, number int64) error {
	now, err := m.Awake(ctx)
	if err != nil || now == number {
		return err
	}
	if known := m.view.current.Load().byID[e.Gateway.ID]; known == nil || known.Gateway.Revision != e.Gateway.Revision {
		return gateway.Errorf(gateway.KindUnavailable, "this instance was halted, and the gateway was changed meanwhile")
	}
	return nil
}
