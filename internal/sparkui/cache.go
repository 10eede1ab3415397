package sparkui

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// foundLife is how long what was found is believed to be there.
	foundLife = 5 * time.Second
	// forgotten is after which time nothing at all is remembered of it.
	forgotten = time.Minute
	// patience is how long finding a Spark UI may take.
	patience = 20 * time.Second
)

// cache remembers for a while where Spark UIs were found, and looks for one only once at
// the same time, however many ask for it.
type cache struct {
	searches singleflight.Group
	mu       sync.Mutex
	entries  map[foundKey]found
}

// foundKey is what a found Spark UI is remembered by. The gateway is part of it: who may
// see a record of one gateway must not see it as another gateway's.
type foundKey struct{ gateway, record string }

type found struct {
	*target
	until time.Time
}

// get returns what is remembered, or what look finds; look is told where it was before, if
// that is known.
func (c *cache) get(ctx context.Context, key foundKey, look func(context.Context, *target) (*target, error)) (*target, error) {
	c.mu.Lock()
	last := c.entries[key]
	c.mu.Unlock()
	if time.Now().Before(last.until) {
		return last.target, nil
	}
	search := c.searches.DoChan(key.gateway+"/"+key.record, func() (any, error) {
		// Whoever asked first may leave before the answer is there.
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
