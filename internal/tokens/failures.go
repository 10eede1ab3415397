package tokens

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// failures counts wrong tokens by address, as a protection against guessing. It counts only
// unknown secrets, not expired or revoked ones.
type failures struct {
	burst int // negative: no limit
	rate  rate.Limit
	size  int

	mu     sync.Mutex
	counts map[netip.Addr]*rate.Limiter
}

func newFailures(burst int, perSecond float64, size int) *failures {
	return &failures{
		burst: burst, rate: rate.Limit(perSecond), size: size,
		counts: map[netip.Addr]*rate.Limiter{},
	}
}

// add counts a failure and reports whether the address has had too many.
func (f *failures) add(remote string, now time.Time) (tooMany bool) {
	if f.burst < 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := failureKey(remote)
	l := f.counts[key]
	if l == nil {
		if len(f.counts) >= f.size {
			f.shrink(now)
		}
		l = rate.NewLimiter(f.rate, f.burst)
		f.counts[key] = l
	}
	return !l.AllowN(now, 1)
}

// exceeded reports whether the address has had too many failures.
func (f *failures) exceeded(remote string, now time.Time) bool {
	if f.burst < 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.counts[failureKey(remote)]
	return l != nil && l.TokensAt(now) < 1
}

// shrink drops addresses without recent failures, or any one if there are none.
func (f *failures) shrink(now time.Time) {
	var some netip.Addr
	for key, l := range f.counts {
		some = key
		if l.TokensAt(now) >= float64(f.burst) {
			delete(f.counts, key)
		}
	}
	if len(f.counts) >= f.size {
		delete(f.counts, some)
	}
}

// failureKey returns the address without the part that its owner can choose freely: the lower
// half of an IPv6 address.
func failureKey(remote string) netip.Addr {
	addr := parseAddress(remote)
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}
