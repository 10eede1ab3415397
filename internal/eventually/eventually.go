// Package eventually lets tests wait for something real, such as another process. Tests of code
// that can run on a fake clock use testing/synctest instead.
package eventually

import (
	"testing"
	"time"
)

// True waits until a condition holds, and fails the test if it does not within the limit.
func True(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(limit)
	for pause := 5 * time.Millisecond; !ok(); pause = min(2*pause, 100*time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(pause)
	}
}
