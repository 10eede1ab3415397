package tokens

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// How long the cache believes what it read, counted from when the question to
// Redis went out. Being under a second by a margin, they keep the promise that
// a revocation is felt within a second even where nobody hears of it.
const (
	freshFor    = 750 * time.Millisecond
	negativeFor = 250 * time.Millisecond
)

// entry is what one secret was found to be. Entries are replaced, not changed.
type entry struct {
	token *Token
	// replaced reports whether the secret is the one before the last reset. It works
	// until replacedUntil; overlap says whether it was meant to for a while.
	replaced      bool
	replacedUntil time.Time
	overlap       bool

	readAt  time.Time // when the question to Redis went out
	live    *live
	limiter *rate.Limiter // nil without a limit
	epoch   uint64        // cache.epoch when the question went out
	seen    atomic.Int64  // when the entry was used last, in ns; for eviction
}

// live is what this instance keeps of a token from request to request.
type live struct {
	usage usage
	// Guarded by cache.mu:
	limiter *rate.Limiter
	rps     float64
	sums    []sum // the secrets of this token that are in the cache
}

// cache remembers secrets by their SHA-256: those of tokens, and for a moment
// those that belong to none. Both sides are bounded on their own, so that
// guessing does not push good tokens out.
type cache struct {
	size int

	mu      sync.RWMutex
	known   map[sum]*entry
	unknown map[sum]negative
	lives   map[string]*live // by token id
	// epoch counts the times that everything became doubtful, changes counts
	// those and single changes.
	epoch, changes uint64
}

type negative struct {
	readAt  time.Time
	changes uint64
}

func newCache(size int) *cache {
	return &cache{size: size, known: map[sum]*entry{}, unknown: map[sum]negative{}, lives: map[string]*live{}}
}

// get returns the entry of a secret, nil if there is none, and whether it may
// be believed without asking Redis.
func (c *cache) get(key sum, now time.Time) (e *entry, fresh bool) {
	c.mu.RLock()
	e = c.known[key]
	epoch := c.epoch
	c.mu.RUnlock()
	if e == nil {
		return nil, false
	}
	e.seen.Store(now.UnixNano())
	return e, e.epoch == epoch && now.Sub(e.readAt) < freshFor
}

// isUnknown reports whether the secret was found to belong to no token a
// moment ago.
func (c *cache) isUnknown(key sum, now time.Time) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	n, ok := c.unknown[key]
	return ok && n.changes == c.changes && now.Sub(n.readAt) < negativeFor
}

// version is to be taken before asking Redis and given to put with the answer.
func (c *cache) version() (epoch, changes uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.epoch, c.changes
}

// put remembers the answer about a secret, unless something changed since the
// question went out: then the answer may be from before the change.
func (c *cache) put(key sum, e *entry, changes uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lives[e.token.ID]
	if l == nil {
		l = new(live)
		c.lives[e.token.ID] = l
	}
	if rps := e.token.RequestsPerSecond; rps != l.rps {
		l.rps, l.limiter = rps, nil
		if rps > 0 {
			l.limiter = rate.NewLimiter(rate.Limit(rps), max(1, int(rps)))
		}
	}
	e.live, e.limiter = l, l.limiter
	e.seen.Store(e.readAt.UnixNano())
	if c.changes != changes {
		return
	}
	if c.known[key] == nil {
		if len(c.known) >= c.size {
			c.evict()
		}
		l.sums = append(l.sums, key)
	}
	delete(c.unknown, key)
	c.known[key] = e
}

// putUnknown remembers that a secret belongs to no token.
func (c *cache) putUnknown(key sum, readAt time.Time, changes uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(key)
	if len(c.unknown) >= c.size {
		for k := range c.unknown { // any: they live for a moment only
			delete(c.unknown, k)
			break
		}
	}
	c.unknown[key] = negative{readAt: readAt, changes: changes}
}

// drop forgets a token, so that the next request asks Redis. Its entry is gone
// for the grace too.
func (c *cache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	if l := c.lives[id]; l != nil {
		for _, key := range l.sums {
			delete(c.known, key)
		}
		l.sums = nil
	}
}

// distrust makes every entry ask Redis before it is used again. They are kept
// for the grace.
func (c *cache) distrust() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.epoch++
}

// evict drops the entry used the longest ago among a few: as good as the true
// one, without a list that every request would have to lock.
func (c *cache) evict() {
	const sample = 16
	var oldest sum
	var when int64
	n := 0
	for key, e := range c.known { // Go begins at a random place
		if seen := e.seen.Load(); n == 0 || seen < when {
			oldest, when = key, seen
		}
		if n++; n == sample {
			break
		}
	}
	c.forget(oldest)
}

func (c *cache) forget(key sum) {
	e := c.known[key]
	if e == nil {
		return
	}
	delete(c.known, key)
	e.live.sums = slices.DeleteFunc(e.live.sums, func(s sum) bool { return s == key })
}

func (c *cache) len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.known)
}
