package control

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store"
)

// Bounds of what refusals may write to the audit, so that nobody can fill Redis by
// being refused: bursts of 30 entries, in the long run 6 a minute from each process.
// Whatever is above that is counted.
const (
	refusalWindow  = time.Minute
	refusalBurst   = 30
	refusalsPerMin = 5 // and one that counts the rest
)

// Refusals writes refused requests to the audit. The first of its kind is written
// at once and those like it in the same minute are counted in a second entry. What
// cannot be written is lost with a warning in the log: a request is refused whether
// or not that can be written down. It is safe for concurrent use.
type Refusals struct {
	write func(context.Context, store.AuditEntry) error
	log   *zap.Logger
	queue chan store.AuditEntry

	mu     sync.Mutex
	budget int
	seen   map[refusalKey]*notedRefusal
	rest   int64
}

// refusalKey is what equal refusals have in common.
type refusalKey struct{ gatewayID, actor, address, action, detail string }

type notedRefusal struct {
	entry store.AuditEntry
	more  int64
}

// NewRefusals makes a Refusals that writes with write; nothing is written before Run.
func NewRefusals(write func(context.Context, store.AuditEntry) error, log *zap.Logger) *Refusals {
	return &Refusals{
		write: write, log: log, queue: make(chan store.AuditEntry, 4*refusalBurst),
		budget: refusalBurst, seen: make(map[refusalKey]*notedRefusal),
	}
}

// Note takes a refusal. It never waits.
func (r *Refusals) Note(e store.AuditEntry) {
	e.Outcome = store.OutcomeRefused
	key := refusalKey{e.GatewayID, e.Actor, e.Address, e.Action, e.Detail}
	r.mu.Lock()
	defer r.mu.Unlock()
	if same := r.seen[key]; same != nil {
		same.more++
		return
	}
	if !r.send(e) {
		r.rest++
		return
	}
	r.seen[key] = &notedRefusal{entry: e}
}

// send queues an entry if the bounds allow it; mu is held.
func (r *Refusals) send(e store.AuditEntry) bool {
	if r.budget == 0 {
		return false
	}
	select {
	case r.queue <- e:
		r.budget--
		return true
	default:
		return false
	}
}

// closeWindow writes how many refusals were like those written, and how many were
// not written, and begins a new window.
func (r *Refusals) closeWindow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.budget = min(refusalBurst, r.budget+refusalsPerMin)
	for _, same := range r.seen {
		if same.more == 0 {
			continue
		}
		same.entry.Count = same.more
		if !r.send(same.entry) {
			r.rest += same.more
		}
	}
	clear(r.seen)
	if r.rest > 0 {
		select {
		case r.queue <- store.AuditEntry{Action: "refusals", Outcome: store.OutcomeRefused, Detail: "refused requests that are not listed one by one", Count: r.rest}:
			r.rest = 0
		default: // the next window's
		}
	}
}

// Run writes until ctx ends.
func (r *Refusals) Run(ctx context.Context) {
	tick := time.NewTicker(refusalWindow)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.closeWindow()
		case e := <-r.queue:
			if err := r.write(ctx, e); err != nil && ctx.Err() == nil {
				r.log.Warn("a refused request is not in the audit", zap.String("action", e.Action), zap.Error(err))
			}
		}
	}
}
