package tokens

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Lifetimes of cache entries, counted from when the request to Redis was sent. They are under
// a second by a margin, so that a revocation takes effect within a second even on an instance
// that misses the change event.
const (
	freshFor    = 750 * time.Millisecond
	negativeFor = 250 * time.Millisecond
)

// entry is the cached result for one secret. Entries are immutable and are replaced as a whole.
type entry struct {
	token *Token
	// replaced reports whether the secret is the one before the last reset. It is valid
	// until replacedUntil; overlap reports whether the reset allowed an overlap.
	replaced      bool
	replacedUntil time.Time
	overlap       bool

	readAt  time.Time // when the request to Redis was sent
	live    *live
	limiter *rate.Limiter // nil without a limit
	epoch   uint64        // cache.epoch when the request was sent
	seen    atomic.Int64  // last use in ns; for eviction
}

// live is the state of a token that this instance keeps between requests.
type live struct {
	usage usage
	// Guarded by cache.mu:
	limiter *rate.Limiter
	rps     float64
	sums    []sum // the secrets of this token that are in the cache
}

// cache caches secrets by their SHA-256: those of tokens and, for a moment, unknown ones. The
// two parts have separate limits, so that guessing does not evict valid tokens.
type cache struct {
	size int

	mu      sync.RWMutex
	known   map[sum]*entry
	unknown map[sum]negative
	lives   map[string]*live // by token id
	// epoch counts the times that all entries became stale, changes counts those and
	// single changes.
	epoch, changes uint64
}

type negative struct {
	readAt  time.Time
	changes uint64
}

func newCache(size int) *cache {
	return &cache{size: size, known: map[sum]*entry{}, unknown: map[sum]negative{}, lives: map[string]*live{}}
}

// get returns the entry of a secret, or nil, and whether it may be used without asking
// Redis.
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

// isUnknown reports whether the secret was found to belong to no token a moment ago.
func (c *cache) isUnknown(key sum, now time.Time) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	n, ok := c.unknown[key]
	return ok && n.changes == c.changes && now.Sub(n.readAt) < negativeFor
}

// version must be called before a request to Redis; its result is passed to put with the answer.
func (c *cache) version() (epoch, changes uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.epoch, c.changes
}

// put caches the result for a secret, unless something has changed since the request was
// sent: then the result may be from before the change.
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

// putUnknown caches that a secret belongs to no token.
func (c *cache) putUnknown(key sum, readAt time.Time, changes uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(key)
	if len(c.unknown) >= c.size {
		for k := range c.unknown { // any entry: they live for a moment only
			delete(c.unknown, k)
			break
		}
	}
	c.unknown[key] = negative{readAt: readAt, changes: changes}
}

// drop removes a token, so that the next request asks Redis. Its entry does not serve as a
// fallback during an outage either.
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

// distrust marks every entry as stale, so that Redis is asked before it is used again. The
// entries are kept as a fallback during an outage.
func (c *cache) distrust() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.epoch++
}

// evict drops the least recently used of a few random entries, which is good enough and needs
// no list that every request would have to lock.
func (c *cache) evict() {
	const sample = 16
	var oldest sum
	var when int64
	n := 0
	for key, e := range c.known { // map iteration starts at random
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
