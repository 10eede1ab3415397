package eventually_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/livygateway/livygateway/internal/eventually"
)

// failing is a test that records its failure.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(string, ...any) { f.failed = true; panic(f) }

func TestTrue(t *testing.T) {
	for name, tt := range map[string]struct {
		after time.Duration
		fails bool
	}{
		"at once":    {0, false},
		"in time":    {59 * time.Second, false},
		"too late":   {2 * time.Minute, true},
		"not at all": {time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, f := time.Now(), &failing{TB: t}
				defer func() {
					if recover(); f.failed != tt.fails || time.Since(start) > time.Minute+time.Second {
						t.Errorf("failed %v after %v", f.failed, time.Since(start))
					}
				}()
				eventually.True(f, time.Minute, "the time", func() bool { return time.Since(start) >= tt.after })
			})
		})
	}
}
