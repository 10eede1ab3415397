package sessions

import lru "github.com/hashicorp/golang-lru/v2"

// cacheSize is how many entries each cache of the ledger holds, for all gateways together. What
// all of them know of one session or batch takes about 1 KB.
const cacheSize = 32_768

// newCache returns an LRU cache of immutable data read from Redis.
func newCache[K comparable, V any]() *lru.Cache[K, V] {
	c, err := lru.New[K, V](cacheSize)
	if err != nil { // only for a size below 1
		panic(err)
	}
	return c
}
