package control

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store"
)

// Limits on audit entries for refused requests, so that refused clients cannot fill
// Redis: bursts of 30 entries, and 6 a minute from each process in the long run.
// Refusals beyond that are only counted.
const (
	refusalWindow  = time.Minute
	refusalBurst   = 30
	refusalsPerMin = 5 // plus one entry that counts the rest
)

// Refusals writes refused requests to the audit log. The first of its kind is written at
// once; equal ones in the same minute are counted in a second entry. An entry that cannot
// be written is lost with a warning in the log: requests are refused whether or not the
// refusal can be recorded. It is safe for concurrent use.
type Refusals struct {
	write func(context.Context, store.AuditEntry) error
	log   *zap.Logger
	queue chan store.AuditEntry

	mu     sync.Mutex
	budget int
	seen   map[refusalKey]*notedRefusal
	rest   int64
}

// refusalKey identifies equal refusals.
type refusalKey struct{ gatewayID, actor, address, action, detail string }

type notedRefusal struct {
	entry store.AuditEntry
	more  int64
}

// NewRefusals returns a Refusals that writes with write. It writes nothing before Run.
func NewRefusals(write func(context.Context, store.AuditEntry) error, log *zap.Logger) *Refusals {
	return &Refusals{
		write: write, log: log, queue: make(chan store.AuditEntry, 4*refusalBurst),
		budget: refusalBurst, seen: make(map[refusalKey]*notedRefusal),
	}
}

// Note queues a refusal. It never blocks.
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

// send queues an entry if the limits allow it; mu is held.
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

// closeWindow queues the counts of repeated and of unlisted refusals, and begins a new
// window.
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
		case r.queue <- store.AuditEntry{
			Action: "refusals", Outcome: store.OutcomeRefused,
			Detail: "refused requests that are not listed one by one", Count: r.rest,
		}:
			r.rest = 0
		default: // left to the next window
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
				r.log.Warn("cannot write a refused request to the audit log", zap.String("action", e.Action),
					zap.Error(err))
			}
		}
	}
}
