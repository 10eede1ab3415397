package sessions

import lru "github.com/hashicorp/golang-lru/v2"

// cacheSize is how many entries each cache of the ledger holds, for all gateways
// together.
const cacheSize = 100_000

// newCache returns a cache of what need not be read from Redis again. When it is
// full, the entry that was used the longest ago goes.
func newCache[K comparable, V any]() *lru.Cache[K, V] {
	c, err := lru.New[K, V](cacheSize)
	if err != nil { // only for a size below 1
		panic(err)
	}
	return c
}
