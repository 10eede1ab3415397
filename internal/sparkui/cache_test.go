package sparkui

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cache
		key := foundKey{"lc-a", "livy-1"}
		looked := 0
		var last *target
		look := func(_ context.Context, before *target) (*target, error) {
			looked++
			last = before
			time.Sleep(time.Second)
			return &target{origin: "http://a"}, nil
		}
		leaving, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.get(leaving, key, look); !errors.Is(err, context.Canceled) {
				t.Errorf("the client that left: %v", err)
			}
		})
		synctest.Wait() // the client that leaves is the one that began the search
		for range 20 {
			wg.Go(func() {
				if got, err := c.get(t.Context(), key, look); err != nil || got.origin != "http://a" {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
		synctest.Wait()
		leave()
		wg.Wait()
		if looked != 1 || last != nil {
			t.Errorf("%d searches, want 1; previous result %+v", looked, last)
		}

		nothing := errors.New("nothing")
		other := foundKey{"lc-b", "livy-1"}
		if _, err := c.get(t.Context(), other, func(context.Context, *target) (*target, error) { return nil, nothing }); !errors.Is(err, nothing) {
			t.Errorf("the same record of another gateway: %v", err)
		}
		time.Sleep(foundLife)
		if _, err := c.get(t.Context(), key, look); err != nil || looked != 2 || last == nil {
			t.Errorf("later: %d searches, want 2; previous result %+v; %v", looked, last, err)
		}
		time.Sleep(foundLife + 2*forgotten)
		if _, err := c.get(t.Context(), other, look); err != nil || len(c.entries) != 1 {
			t.Errorf("%d entries are kept forever; %v", len(c.entries), err)
		}
	})
}
