package control

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store"
)

// Lease timing. A holder that disappears is replaced after at most leaseTTL plus
// one leaseInterval.
const (
	// leaseTTL is the lifetime of a lease that is not renewed.
	leaseTTL = 6 * time.Second
	// leaseMargin is how long before its expiry in Redis the holder gives up a lease.
	leaseMargin = time.Second
	// leaseInterval is the pause between two rounds of renewing and claiming.
	leaseInterval = time.Second
	// leaseGap is the minimum pause between two early rounds, however many gateways are created.
	leaseGap = 100 * time.Millisecond
	// leaseTimeout bounds one round.
	leaseTimeout = time.Second
	// locationGrace is how long servers at a location are assumed to keep running
	// after every instance there has gone silent.
	locationGrace = time.Minute
)

// leaseStore is the part of the store that a leaseholder needs.
type leaseStore interface {
	ClaimLeases(ctx context.Context, c store.Claim) (store.Grant, error)
	ReleaseLeases(ctx context.Context, by store.Instance, leases map[string]int64) error
}

// leaseholder claims leases on gateways and renews them. The holder of a gateway's
// lease supervises the gateway; all other instances leave it alone. A process may
// stall at any point, so two instances can believe that they hold the same lease.
// Each lease therefore has a number, and writes under it are rejected as soon as a
// higher number has been granted (see store.Fence).
//
// candidates, gained and lost are called with mu held and must not call back.
type leaseholder struct {
	store leaseStore
	log   *zap.Logger
	// candidates lists the gateways that this instance may supervise.
	candidates func(peers peerLocations) []string
	// gained and lost report changes, one at a time.
	gained func(id string, number int64)
	lost   func(id string)
	// onRollback is called, with no lease held, when Redis was rolled back. It is
	// called again if it fails.
	onRollback func(ctx context.Context) error
	// loadCheckpoint returns the checkpoint that an earlier process saved.
	loadCheckpoint func(ctx context.Context) (store.Checkpoint, error)
	// checkpointLoaded is used by rounds only.
	checkpointLoaded bool

	kicked chan struct{}
	// location is where the servers run that this instance can reach; nil while it is
	// unknown.
	location atomic.Pointer[string]

	takeovers, losses atomic.Int64

	mu         sync.Mutex
	self       store.Instance
	held       map[string]*lease
	others     []store.Instance
	checkpoint store.Checkpoint
	// frozen stops claiming; held leases are still renewed.
	frozen, closed bool
	// since is the start of the current unbroken series of rounds, last its latest round.
	since, last time.Time
}

// peerLocations describes where the other instances run.
type peerLocations struct {
	own string
	// settled reports whether this instance has observed the others for long enough to
	// tell which of them are gone.
	settled bool
	others  []store.Instance
}

// mayTake reports whether servers at a location may be supervised from here. Servers
// at another location may be taken over only after all instances there have been
// silent for locationGrace.
func (p peerLocations) mayTake(location string) bool {
	if location == "" || location == p.own {
		return true
	}
	for _, in := range p.others {
		if in.Location == location && in.Silent < locationGrace {
			return false
		}
	}
	return p.settled && p.own != ""
}

// lease is a lease that this instance holds.
type lease struct {
	number int64
	until  time.Time
	expiry *time.Timer
}

func newLeaseholder(s leaseStore, self store.Instance, log *zap.Logger) *leaseholder {
	return &leaseholder{
		store: s, self: self, log: log, kicked: make(chan struct{}, 1), held: make(map[string]*lease),
		loadCheckpoint: func(context.Context) (store.Checkpoint, error) { return store.Checkpoint{}, nil },
	}
}

// run claims and renews leases until ctx ends.
func (h *leaseholder) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	failing := false    // log the first failure only
	var early time.Time // the last round that was asked for
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-h.kicked:
			if wait := leaseGap - time.Since(early); wait > 0 {
				timer.Reset(wait)
				continue
			}
			early = time.Now()
		}
		err := h.round(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			level := zap.WarnLevel
			if errors.Is(err, store.ErrEmptied) {
				level = zap.ErrorLevel
			}
			h.log.Log(level, "cannot claim leases; retrying every second", zap.Error(err))
		}
		failing = err != nil
		timer.Reset(leaseInterval)
	}
}

// kick starts a round immediately.
func (h *leaseholder) kick() {
	select {
	case h.kicked <- struct{}{}:
	default:
	}
}

// round renews the leases that are held and claims those that are free.
func (h *leaseholder) round(ctx context.Context) error {
	if err := h.restoreCheckpoint(ctx); err != nil {
		return err
	}
	claim, ok := h.claim()
	if !ok {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	// Redis starts the lease when it reads the claim, which is later than this.
	until := time.Now().Add(leaseTTL - leaseMargin)
	grant, err := h.store.ClaimLeases(bounded, claim)
	if err != nil {
		return err // held leases expire by their timers
	}
	if claim.Checkpoint.RolledBack(grant.Checkpoint) {
		return h.startOver(ctx, grant.Checkpoint)
	}
	h.apply(grant, until)
	return nil
}

// restoreCheckpoint loads the saved checkpoint before the first claim.
func (h *leaseholder) restoreCheckpoint(ctx context.Context) error {
	if h.checkpointLoaded {
		return nil
	}
	saved, err := h.loadCheckpoint(ctx)
	if err != nil {
		return err
	}
	h.checkpointLoaded = true
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checkpoint = saved
	return nil
}

// claim returns the claim of the next round; ok is false once the leaseholder is closed.
func (h *leaseholder) claim() (c store.Claim, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return store.Claim{}, false
	}
	h.self.Location = h.currentLocation()
	peers := peerLocations{
		own: h.self.Location, others: h.others,
		settled: !h.last.IsZero() && time.Since(h.since) >= locationGrace,
	}
	leases := make(map[string]int64)
	for _, id := range h.candidates(peers) {
		if l := h.held[id]; l != nil {
			leases[id] = l.number
		} else if !h.frozen {
			leases[id] = 0
		}
	}
	return store.Claim{
		By: h.self, Leases: leases, TTL: leaseTTL, Forget: locationGrace, Checkpoint: h.checkpoint,
	}, true
}

// apply makes the leases held match a grant, whose leases are good until a time.
func (h *leaseholder) apply(grant store.Grant, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.checkpoint = grant.Checkpoint
	now := time.Now()
	if h.last.IsZero() || now.Sub(h.last) > leaseTTL {
		h.since = now
	}
	h.last = now
	h.others = slices.DeleteFunc(grant.Instances, func(in store.Instance) bool { return in.ID == h.self.ID })
	for id, l := range h.held {
		if grant.Leases[id] != l.number {
			h.dropLocked(id)
		}
	}
	for id, number := range grant.Leases {
		if l := h.held[id]; l != nil {
			l.until = until
			l.expiry.Reset(time.Until(until))
			continue
		}
		if h.frozen {
			continue // claimed before the freeze
		}
		h.held[id] = &lease{
			number: number, until: until,
			expiry: time.AfterFunc(time.Until(until), func() { h.expire(id, number) }),
		}
		if former := grant.Former[id]; former != "" && former != h.self.ID {
			h.takeovers.Add(1)
		}
		h.gained(id, number)
	}
}

// startOver drops every lease after a rollback of Redis: decisions made under them
// rest on data that is lost. The next round claims leases anew, and reconcilers begin
// as they do in a new process.
func (h *leaseholder) startOver(ctx context.Context, next store.Checkpoint) error {
	h.mu.Lock()
	for id := range h.held {
		h.dropLocked(id)
	}
	h.mu.Unlock()
	if err := h.onRollback(ctx); err != nil {
		return err
	}
	h.mu.Lock()
	h.checkpoint = next
	h.mu.Unlock()
	h.kick()
	return nil
}

// expire gives up a lease that has expired. It may have been renewed while its timer waited
// for the mutex.
func (h *leaseholder) expire(id string, number int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.held[id]; l != nil && l.number == number && !time.Now().Before(l.until) {
		h.dropLocked(id)
	}
}

// drop gives up a lease, unless it has been replaced by one with another number.
func (h *leaseholder) drop(id string, number int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.held[id]; l != nil && l.number == number {
		h.dropLocked(id)
	}
}

func (h *leaseholder) dropLocked(id string) {
	h.held[id].expiry.Stop()
	delete(h.held, id)
	h.losses.Add(1)
	h.lost(id)
}

// currentLocation returns where the servers of this instance run, or "" while that is
// unknown or irrelevant.
func (h *leaseholder) currentLocation() string {
	if p := h.location.Load(); p != nil {
		return *p
	}
	return ""
}

// heldNumbers returns the numbers of the leases held, by gateway id.
func (h *leaseholder) heldNumbers() map[string]int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make(map[string]int64, len(h.held))
	for id, l := range h.held {
		all[id] = l.number
	}
	return all
}

// currentCheckpoint returns the checkpoint to save for the next process.
func (h *leaseholder) currentCheckpoint() store.Checkpoint {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.checkpoint
}

// peers returns the other instances that are running now.
func (h *leaseholder) peers() []store.Instance {
	h.mu.Lock()
	defer h.mu.Unlock()
	var now []store.Instance
	for _, in := range h.others {
		if !in.Left && in.Silent < leaseTTL {
			now = append(now, in)
		}
	}
	return now
}

// freeze stops claiming; held leases are still renewed.
func (h *leaseholder) freeze() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.frozen = true
}

// close releases all leases, so that other instances need not wait for them to expire.
func (h *leaseholder) close(ctx context.Context) {
	held := h.heldNumbers()
	h.mu.Lock()
	h.closed = true
	for _, l := range h.held {
		l.expiry.Stop()
	}
	clear(h.held)
	me := h.self
	h.mu.Unlock()
	if err := h.store.ReleaseLeases(ctx, me, held); err != nil {
		h.log.Warn("cannot release leases; other instances wait for them to expire", zap.Error(err))
	}
}
