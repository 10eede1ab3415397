package sparkui

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// foundLife is how long a found Spark UI is used without another search.
	foundLife = 5 * time.Second
	// forgotten is how long an expired entry is kept.
	forgotten = time.Minute
	// patience is the longest time of a search.
	patience = 20 * time.Second
)

// cache remembers for a while where Spark UIs were found. There is at most one search for a Spark
// UI at a time, for all requests.
type cache struct {
	searches singleflight.Group
	mu       sync.Mutex
	entries  map[foundKey]found
}

// foundKey identifies a found Spark UI. It has the gateway, since whoever may see a record of one
// gateway must not see it as another gateway's.
type foundKey struct{ gateway, record string }

type found struct {
	*target
	until time.Time
}

// get returns what is cached, or what look finds. It passes the previous result to look, or nil.
func (c *cache) get(ctx context.Context, key foundKey, look func(context.Context, *target) (*target, error)) (*target, error) {
	c.mu.Lock()
	last := c.entries[key]
	c.mu.Unlock()
	if time.Now().Before(last.until) {
		return last.target, nil
	}
	search := c.searches.DoChan(key.gateway+"/"+key.record, func() (any, error) {
		// The first client may leave before the search ends.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		t, err := look(ctx, last.target)
		if err == nil {
			c.put(key, t)
		}
		return t, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-search:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*target), nil
	}
}

func (c *cache) put(key foundKey, t *target) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for old, f := range c.entries {
		if time.Since(f.until) > forgotten {
			delete(c.entries, old)
		}
	}
	if c.entries == nil {
		c.entries = make(map[foundKey]found)
	}
	c.entries[key] = found{t, time.Now().Add(foundLife)}
}
