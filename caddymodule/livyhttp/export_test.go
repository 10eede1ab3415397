package livyhttp

import (
	"testing"
	"time"
)

// SetReadTimeout sets the limit of reads for a test.
func SetReadTimeout(t testing.TB, d time.Duration) {
	before := readTimeout
	readTimeout = d
	t.Cleanup(func() { readTimeout = before })
}
