// Package sessions is the ledger: it records every session and batch that was started
// through a gateway, by whom, with which resources, and how it ended.
//
// A create is recorded before it is sent to Livy and completed by Livy's reply. If the reply
// is lost, Poll finds the session or batch in Livy's own lists by its unique name.
package sessions

import (
	"context"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// StateGone is the state of a session or batch that Livy no longer knows and whose end was
// not observed, e.g. a session deleted by its own timeout.
const StateGone = "gone"

// MinRetention is the shortest time that records are kept.
const MinRetention = time.Hour

// Ledger writes records. Its methods are safe for concurrent use.
type Ledger struct {
	store  *store.Store
	logger *zap.Logger
	now    func() time.Time
	rand   io.Reader
	owners *lru.Cache[publicKey, owner]
	ends   *lru.Cache[publicKey, *EndedError] // how sessions ended
	names  names
	// completed holds the statements whose outcome is recorded.
	completed *lru.Cache[string, struct{}]
	ui        uiKey
	// states holds the last observed states; observed are not stored yet.
	states   *lru.Cache[publicKey, string]
	observed chan ObservedState
	flushes  singleflight.Group
	// extras holds what replies show of records. After a failure, Redis is not asked for more
	// before extrasAgain, in Unix nanoseconds.
	extras      *lru.Cache[publicKey, *Extra]
	extrasAgain atomic.Int64
	// undecided holds since when Livy calls batches a success, by record, while nothing tells how
	// their drivers ended. finals holds how batches with such drivers ended; see judge.
	undecided *lru.Cache[string, time.Time]
	finals    *lru.Cache[publicKey, string]

	mu        sync.Mutex
	livy      func(*gateway.Gateway) Remover // nil where nothing is to be removed
	drivers   Drivers                        // nil where no drivers are pods
	retention time.Duration
	queue     []waiting                                // changes that are not stored yet
	logs      map[string]map[int64]map[string][]string // last log lines seen, by gateway, epoch and record
	trimmed   map[string]time.Time                     // when records were last trimmed, by gateway
	replaced  map[string]map[int64]bool                // the epochs whose servers were replaced, by gateway
	highest   map[string]map[int64]highestIDs          // by gateway and epoch
	live      map[string]Live                          // what the last poll found, by gateway
	clocks    map[string]clockSeen                     // by gateway
	steady    func() time.Duration                     // see CompareClock; may be nil
}

// waiting is a change to be made when Redis is reachable again.
type waiting struct {
	gatewayID string
	change    func(context.Context) error
}

// New returns a ledger.
func New(s *store.Store, logger *zap.Logger, now func() time.Time, rand io.Reader) *Ledger {
	return &Ledger{
		store: s, logger: logger, now: now, rand: rand, retention: gateway.DefaultRetention,
		logs: make(map[string]map[int64]map[string][]string), trimmed: make(map[string]time.Time),
		replaced: make(map[string]map[int64]bool), highest: make(map[string]map[int64]highestIDs),
		live: make(map[string]Live), clocks: make(map[string]clockSeen),
		owners: newCache[publicKey, owner](), ends: newCache[publicKey, *EndedError](),
		completed: newCache[string, struct{}](), states: newCache[publicKey, string](),
		observed: make(chan ObservedState, maxObserved), extras: newCache[publicKey, *Extra](),
		undecided: newCache[string, time.Time](), finals: newCache[publicKey, string](),
	}
}

// flushInterval is the pause between two attempts to write waiting changes.
const flushInterval = time.Second

// Run writes changes that could not be stored at first, and states observed in replies,
// until ctx ends.
func (l *Ledger) Run(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.finish()
			return
		case s := <-l.observed:
			l.saveObserved(context.WithoutCancel(ctx), s) // ctx may end meanwhile
		case <-tick.C:
			_ = l.flush(ctx) // retried at the next tick
		}
	}
}

// finish writes what is still in memory, for at most a second each: the states that were
// observed, and the changes that wait for Redis.
func (l *Ledger) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case s := <-l.observed:
			l.saveObserved(ctx, s)
			continue
		default:
		}
		break
	}
	ctx, cancel = context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := l.flush(ctx); err != nil {
		l.mu.Lock()
		n := len(l.queue)
		l.mu.Unlock()
		l.logger.Error("changes of records are lost, since Redis cannot be reached",
			zap.Int("changes", n), zap.Error(err))
	}
}

// Forget drops what is kept in memory of a deleted gateway.
func (l *Ledger) Forget(gatewayID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.logs, gatewayID)
	delete(l.trimmed, gatewayID)
	delete(l.replaced, gatewayID)
	delete(l.highest, gatewayID)
	delete(l.clocks, gatewayID)
}

// quick bounds how long a reply to a client waits for a write of the ledger.
const quick = 250 * time.Millisecond

// write makes a change now, after the waiting ones, or keeps it until Redis is reachable
// again: the client already has its reply from Livy.
func (l *Ledger) write(ctx context.Context, gatewayID, recordID string, change func(context.Context) error) {
	// The change is made even if the client has disconnected.
	now, cancel := context.WithTimeout(context.WithoutCancel(ctx), quick)
	defer cancel()
	err := l.flush(now)
	if err == nil {
		err = change(now)
	}
	if err == nil {
		return
	}
	if gateway.KindOf(err) != gateway.KindUnavailable {
		l.logger.Error("cannot write a record", zap.String("gateway", gatewayID),
			zap.String("record", recordID), zap.Error(err))
		return
	}
	l.logger.Warn("Redis is unreachable; keeping a change of a record in memory",
		zap.String("gateway", gatewayID), zap.String("record", recordID), zap.Error(err))
	l.mu.Lock()
	l.queue = append(l.queue, waiting{gatewayID, change})
	l.mu.Unlock()
}

// flush makes the waiting changes. Concurrent callers share one run.
func (l *Ledger) flush(ctx context.Context) error {
	for {
		if _, ok := l.first(); !ok {
			return nil
		}
		select {
		case done := <-l.flushes.DoChan("", func() (any, error) { return nil, l.makeWaiting() }):
			if done.Err != nil {
				return done.Err
			}
		case <-ctx.Done():
			return gateway.Wrap(gateway.KindUnavailable, "waiting for earlier changes of the records", ctx.Err())
		}
	}
}

// flushTime bounds one flush.
const flushTime = 5 * time.Second

// makeWaiting makes the waiting changes in order, until one fails because Redis is
// unreachable. A change may be made twice; it starts from what is stored.
func (l *Ledger) makeWaiting() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	for {
		first, ok := l.first()
		if !ok {
			return nil
		}
		err := first.change(ctx)
		if gateway.KindOf(err) == gateway.KindUnavailable {
			return err
		}
		if err != nil {
			l.logger.Error("cannot write a record", zap.String("gateway", first.gatewayID), zap.Error(err))
		}
		l.mu.Lock()
		l.queue = l.queue[1:]
		l.mu.Unlock()
	}
}

// first returns the oldest waiting change.
func (l *Ledger) first() (w waiting, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return w, false
	}
	return l.queue[0], true
}

// Base returns the offset between Livy's ids of a kind and public ids.
func Base(g *gateway.Gateway, kind livy.Kind) int64 {
	if kind == livy.KindBatch {
		return g.Status.BatchBase
	}
	return g.Status.SessionBase
}

// Shown returns a state as shown to clients: "recovering", which not all of them know, is
// shown as "starting".
func Shown(state string) string {
	if state == "recovering" {
		return "starting"
	}
	return state
}

// running reports whether a state means that resources are in use.
func running(state string) bool {
	switch state {
	case "idle", "running", "busy", "shutting_down", "recovering":
		return true
	}
	return false
}

// end closes a record and computes its usage.
func (l *Ledger) end(r *store.Record, state, reason string, at time.Time) {
	r.State, r.Reason, r.Updated, r.Ended = state, reason, at, at
	if r.Started.IsZero() && r.Confirmed() {
		r.Started = r.Created
	}
	by, since := l.clockSet(r.GatewayID, false)
	correctStart(r, at, by, since)
	if len(r.Log) == 0 {
		l.mu.Lock()
		r.Log = l.logs[r.GatewayID][r.Epoch][r.ID]
		l.mu.Unlock()
	}
	r.VCoreSeconds, r.MBSeconds = 0, 0
	for _, u := range r.UsageByDay(at) {
		r.VCoreSeconds += float64(u.MilliCPUSeconds) / 1000
		r.MBSeconds += u.MBSeconds
	}
}

// change reads a record, changes it and writes it, again if it was changed concurrently. f
// reports whether there is anything to write.
func (l *Ledger) change(
	ctx context.Context, gatewayID string, read func(context.Context) (*store.Record, error), f func(*store.Record) bool,
) error {
	for range 10 {
		r, err := read(ctx)
		if err != nil {
			return err
		}
		if !f(r) {
			return nil
		}
		err = l.store.SaveRecords(ctx, store.Fence{}, gatewayID, r)
		if !isChanged(err) {
			return err
		}
	}
	return gateway.Errorf(gateway.KindConflict, "the record keeps being changed by others; try again")
}

func key(kind livy.Kind, id int64) string {
	return string(kind) + strconv.FormatInt(id, 10)
}
