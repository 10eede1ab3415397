package sessions

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// Records have times of the machine's clock, and usage is the time between two of them. If that
// clock is set while something runs, its start is moved by as much, so that it counts for as long
// as it ran.

// Bounds for corrections.
const (
	// clockTolerance is the most that a clock may be set without a correction.
	clockTolerance = 2 * time.Second
	// clockMemory is how long ago a gateway may have been followed last. In a longer time another
	// instance, with another clock, may have followed it.
	clockMemory = 5 * time.Minute
)

// clockSeen is what was known of the clock when a gateway was last followed.
type clockSeen struct {
	ahead time.Duration // its lead over the steady clock
	at    time.Duration // by the steady clock
}

// CompareClock has the ledger notice that its clock is set, by a clock that is never set, such as
// the time since the process began. It must be called before the ledger is used.
func (l *Ledger) CompareClock(steady func() time.Duration) { l.steady = steady }

// clockSet returns by how much the clock was set since a gateway was last followed, and how long
// ago that was. With follow, it is followed now.
func (l *Ledger) clockSet(gatewayID string, follow bool) (by, since time.Duration) {
	if l.steady == nil {
		return 0, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.steady()
	ahead := time.Duration(l.now().UnixNano()) - at
	last, known := l.clocks[gatewayID]
	by, since = ahead-last.ahead, at-last.at
	switch {
	case !known || since > clockMemory:
		by = 0
	case by.Abs() <= clockTolerance:
		by, ahead = 0, last.ahead // several small steps are one
	}
	if follow {
		l.clocks[gatewayID] = clockSeen{ahead, at}
	}
	return by, since
}

// correctStart moves the start of a record by as much as the clock was set, unless it is a time
// of the clock as it is now.
func correctStart(r *store.Record, now time.Time, by, since time.Duration) (corrected bool) {
	if by == 0 || r.Started.IsZero() || r.Started.After(now.Add(-since)) && !r.Started.After(now) {
		return false
	}
	r.Started = r.Started.Add(by)
	return true
}

// correctClock corrects the live records of a gateway if the clock was set.
func (l *Ledger) correctClock(ctx context.Context, gatewayID string) error {
	by, since := l.clockSet(gatewayID, true)
	if by == 0 {
		return nil
	}
	l.logger.Warn("the clock was set; moving the start of what runs by as much",
		zap.String("gateway", gatewayID), zap.Duration("by", by))
	live, err := l.store.LiveRecords(ctx, gatewayID)
	if err != nil {
		return err
	}
	now := l.now().UTC()
	for _, r := range live {
		err := l.change(ctx, gatewayID,
			func(ctx context.Context) (*store.Record, error) { return l.store.RecordByID(ctx, gatewayID, r.ID) },
			func(r *store.Record) bool { return r.Live() && correctStart(r, now, by, since) })
		if err != nil && gateway.KindOf(err) != gateway.KindNotFound {
			return err
		}
	}
	return nil
}
