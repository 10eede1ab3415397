package sessions

import "testing"

// A full cache drops what was used the longest ago, not everything.
func TestCacheIsFull(t *testing.T) {
	c := newCache[int, string]()
	for i := range cacheSize {
		c.Add(i, "")
	}
	c.Get(0)
	c.Add(cacheSize, "")
	if _, ok := c.Get(0); !ok {
		t.Error("an entry that was just used is gone")
	}
	if _, ok := c.Get(1); ok || c.Len() != cacheSize {
		t.Errorf("%d entries; the oldest is there: %v", c.Len(), ok)
	}
}
