package control

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/livygateway/livygateway/internal/gateway"
)

const (
	// stallCheckInterval is the pause between two regular checks for a stall.
	stallCheckInterval = 250 * time.Millisecond
	// stallThreshold is the gap between two checks above which the process counts as
	// stalled: other instances may have replaced servers in the meantime. Taking over a
	// lease takes longer than this.
	stallThreshold = 2 * time.Second
	// awakeTimeout bounds how long a request waits for the snapshot to be read again.
	awakeTimeout = 2 * time.Second
)

// stallDetector detects that the process was paused: the machine swapped, a virtual
// machine was migrated, or somebody sent SIGSTOP. The first check afterwards finds it,
// whether regular or for a request.
type stallDetector struct {
	last    atomic.Pointer[time.Time] // the last check; nil before the first one
	count   atomic.Int64              // stalls detected so far
	handled atomic.Int64              // the count after which all gateways were read again
	refresh singleflight.Group
}

// check returns how many stalls have been detected so far.
func (d *stallDetector) check(now time.Time) int64 {
	if last := d.last.Load(); last != nil && elapsed(*last, now) > stallThreshold {
		d.count.Add(1) // before last is set, so that no other check misses the stall
		at := now      // not now itself, which would be allocated for each check
		d.last.Store(&at)
	}
	return d.count.Load()
}

// elapsed returns the time from a to b by the monotonic clock or by the wall clock,
// whichever is longer: the monotonic clock stops while a machine is suspended.
func elapsed(a, b time.Time) time.Duration { return max(b.Sub(a), b.Round(0).Sub(a.Round(0))) }

func (d *stallDetector) run(ctx context.Context) {
	tick := time.NewTicker(stallCheckInterval)
	defer tick.Stop()
	defer d.last.Store(nil)
	for {
		now := time.Now()
		d.check(now)
		d.last.Store(&now)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Awake returns a number that changes whenever this process has stalled. After a stall
// it reads all gateways again first, and fails with KindUnavailable if Redis does not
// answer. Otherwise it does no I/O.
func (m *Manager) Awake(ctx context.Context) (int64, error) {
	stalls := m.stalls.check(time.Now())
	for m.stalls.handled.Load() < stalls { // a refresh that began before the stall does not count
		select {
		case got := <-m.stalls.refresh.DoChan("", m.refreshAfterStall):
			if got.Err != nil {
				return stalls, gateway.Wrap(gateway.KindUnavailable,
					"this instance was paused and is still reloading gateways; retry shortly", got.Err)
			}
		case <-ctx.Done():
			return stalls, gateway.Wrap(gateway.KindUnavailable, "waiting for Redis", ctx.Err())
		}
	}
	return stalls, nil
}

// refreshAfterStall reads all gateways again. Concurrent requests share one call.
func (m *Manager) refreshAfterStall() (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), awakeTimeout)
	defer cancel()
	stalls := m.stalls.count.Load()
	err := m.refreshAll(ctx)
	if err == nil {
		m.stalls.handled.Store(stalls)
	}
	return nil, err
}

// StillAwake fails with KindUnavailable if this process has stalled since Awake returned
// the number and the gateway has changed since: its Livy server may be a different one.
func (m *Manager) StillAwake(ctx context.Context, e *Entry, number int64) error {
	now, err := m.Awake(ctx)
	if err != nil || now == number {
		return err
	}
	known := m.snapshots.current.Load().byID[e.Gateway.ID]
	if known == nil || known.Gateway.Revision != e.Gateway.Revision {
		return gateway.Errorf(gateway.KindUnavailable,
			"this instance was paused and the gateway changed in the meantime; send the request again")
	}
	return nil
}
