package control

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store"
)

// Times of leases. A holder that is gone is replaced after at most leaseTTL and
// one leaseEvery.
const (
	// leaseTTL is how long a lease lasts that is not renewed.
	leaseTTL = 6 * time.Second
	// leaseMargin is how much earlier its holder gives it up by itself.
	leaseMargin = time.Second
	// leaseEvery is the pause between two rounds of renewing and claiming.
	leaseEvery = time.Second
	// leasePatience bounds one round.
	leasePatience = time.Second
	// placeGrace is how long after the last sign of life of any instance at a place
	// the servers there are believed to run still.
	placeGrace = time.Minute
)

// leaseStore is the part of the store that a keeper needs.
type leaseStore interface {
	ClaimLeases(ctx context.Context, c store.Claim) (store.Grant, error)
	ReleaseLeases(ctx context.Context, by store.Instance, leases map[string]int64) error
}

// keeper claims leases on gateways and keeps them. Whoever holds a gateway's
// lease supervises it; all others leave it alone. That two believe to hold one
// at a time cannot be ruled out, since a process may be halted anywhere: so each
// lease has a number, and what is done under it is refused once a higher one was
// given out (see store.Fence).
type keeper struct {
	store leaseStore
	log   *zap.Logger
	// wanted lists the gateways to be supervised here, by the places of the servers
	// that others look after.
	wanted func(places foreign) []string
	// gained and lost are told of changes, one at a time.
	gained func(id string, number int64)
	lost   func(id string)
	// rewound is called, with no lease held, when Redis has gone back in time. If it
	// fails it is called again.
	rewound func(ctx context.Context) error
	// recall tells the mark that was kept over a restart.
	recall func(ctx context.Context) (store.Mark, error)

	kicked chan struct{}
	// place is where the servers are that we reach; nil while it is not known.
	place atomic.Pointer[string]

	takeovers, losses atomic.Int64

	mu     sync.Mutex
	me     store.Instance
	held   map[string]*lease
	others []store.Instance
	mark   store.Mark
	// recalled reports whether recall has answered.
	recalled bool
	// frozen keeps what is held and takes nothing more.
	frozen, closed bool
	// since is when the present row of rounds began, and last its last one.
	since, last time.Time
}

// foreign is what is known of the places of other instances.
type foreign struct {
	ours string
	// sure reports whether we have been watching for long enough to know who is gone.
	sure   bool
	others []store.Instance
}

// mayTake reports whether servers at a place may be supervised from here: those of
// another place only when nobody has been there for a while.
func (f foreign) mayTake(place string) bool {
	if place == "" || place == f.ours {
		return true
	}
	for _, in := range f.others {
		if in.Place == place && in.Silent < placeGrace {
			return false
		}
	}
	return f.sure && f.ours != ""
}

// lease is one that is held.
type lease struct {
	number int64
	until  time.Time
	expiry *time.Timer
}

func newKeeper(s leaseStore, me store.Instance, log *zap.Logger) *keeper {
	return &keeper{
		store: s, me: me, log: log, kicked: make(chan struct{}, 1), held: make(map[string]*lease),
		recall: func(context.Context) (store.Mark, error) { return store.Mark{}, nil },
	}
}

// run keeps leases until ctx ends.
func (k *keeper) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	failing := false // it is said once
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-k.kicked:
		}
		err := k.round(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			level := zap.WarnLevel
			if errors.Is(err, store.ErrEmptied) {
				level = zap.ErrorLevel
			}
			k.log.Log(level, "claiming leases; trying again every second", zap.Error(err))
		}
		failing = err != nil
		timer.Reset(leaseEvery)
	}
}

// kick begins a round at once.
func (k *keeper) kick() {
	select {
	case k.kicked <- struct{}{}:
	default:
	}
}

// round renews what is held and claims what is free.
func (k *keeper) round(ctx context.Context) error {
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return nil
	}
	recalled := k.recalled
	k.mu.Unlock()
	if !recalled {
		mark, err := k.recall(ctx)
		if err != nil {
			return err
		}
		k.mu.Lock()
		k.mark, k.recalled = mark, true
		k.mu.Unlock()
	}
	k.mu.Lock()
	k.me.Place = k.placeNow()
	claim := store.Claim{By: k.me, Leases: make(map[string]int64), TTL: leaseTTL, Forget: placeGrace, Mark: k.mark}
	places := foreign{ours: k.me.Place, others: k.others, sure: !k.last.IsZero() && time.Since(k.since) >= placeGrace}
	k.mu.Unlock()
	for _, id := range k.wanted(places) {
		claim.Leases[id] = 0
	}
	k.mu.Lock()
	for id := range claim.Leases {
		if l := k.held[id]; l != nil {
			claim.Leases[id] = l.number
		} else if k.frozen {
			delete(claim.Leases, id)
		}
	}
	k.mu.Unlock()

	bounded, cancel := context.WithTimeout(ctx, leasePatience)
	defer cancel()
	// Redis counts from when it reads the claim, which is later.
	until := time.Now().Add(leaseTTL - leaseMargin)
	grant, err := k.store.ClaimLeases(bounded, claim)
	if err != nil {
		return err // what is held is given up when its time is over
	}
	if claim.Mark.WentBack(grant.Mark) {
		return k.startOver(ctx, grant.Mark)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil
	}
	k.mark = grant.Mark
	if now := time.Now(); k.last.IsZero() || now.Sub(k.last) > leaseTTL {
		k.since, k.last = now, now
	} else {
		k.last = now
	}
	k.others = nil
	for _, in := range grant.Instances {
		if in.ID != k.me.ID {
			k.others = append(k.others, in)
		}
	}
	for id, l := range k.held {
		if grant.Leases[id] != l.number {
			k.dropLocked(id)
		}
	}
	for id, number := range grant.Leases {
		if l := k.held[id]; l != nil {
			l.until = until
			l.expiry.Reset(time.Until(until))
			continue
		}
		if k.frozen {
			continue // asked for before, and not to be used
		}
		k.held[id] = &lease{number: number, until: until, expiry: time.AfterFunc(time.Until(until), func() { k.expire(id, number) })}
		if former := grant.Former[id]; former != "" && former != k.me.ID {
			k.takeovers.Add(1)
		}
		k.gained(id, number)
	}
	return nil
}

// startOver lets go of everything that was decided by what Redis has forgotten. The
// next round takes leases anew, and workers begin as if the process did.
func (k *keeper) startOver(ctx context.Context, mark store.Mark) error {
	k.mu.Lock()
	for id := range k.held {
		k.dropLocked(id)
	}
	k.mu.Unlock()
	if err := k.rewound(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	k.mark = mark
	k.mu.Unlock()
	k.kick()
	return nil
}

// expire gives up a lease whose time is over. It may have been renewed while its timer
// waited for the mutex.
func (k *keeper) expire(id string, number int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.held[id]; l != nil && l.number == number && !time.Now().Before(l.until) {
		k.dropLocked(id)
	}
}

// drop gives up a lease that is no longer ours.
func (k *keeper) drop(id string, number int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.held[id]; l != nil && l.number == number {
		k.dropLocked(id)
	}
}

func (k *keeper) dropLocked(id string) {
	k.held[id].expiry.Stop()
	delete(k.held, id)
	k.losses.Add(1)
	k.lost(id)
}

// placeNow is our place, "" while it is not known or where there is none.
func (k *keeper) placeNow() string {
	if p := k.place.Load(); p != nil {
		return *p
	}
	return ""
}

// numbers are the leases held, by gateway.
func (k *keeper) numbers() map[string]int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make(map[string]int64, len(k.held))
	for id, l := range k.held {
		all[id] = l.number
	}
	return all
}

// markNow is what is to be kept over a restart.
func (k *keeper) markNow() store.Mark {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mark
}

// peers are the other instances that are there now.
func (k *keeper) peers() []store.Instance {
	k.mu.Lock()
	defer k.mu.Unlock()
	var now []store.Instance
	for _, in := range k.others {
		if !in.Left && in.Silent < leaseTTL {
			now = append(now, in)
		}
	}
	return now
}

// freeze lets nothing more be gained; what is held is kept.
func (k *keeper) freeze() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.frozen = true
}

// close gives all leases back, so that others need not wait for their end.
func (k *keeper) close(ctx context.Context) {
	held := k.numbers()
	k.mu.Lock()
	k.closed = true
	for _, l := range k.held {
		l.expiry.Stop()
	}
	clear(k.held)
	me := k.me
	k.mu.Unlock()
	if err := k.store.ReleaseLeases(ctx, me, held); err != nil {
		k.log.Warn("giving leases back; others wait for their end", zap.Error(err))
	}
}
