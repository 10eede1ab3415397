package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// watch collects the events that a store hears of.
func watch(t *testing.T, s *store.Store) <-chan store.Event {
	t.Helper()
	events := make(chan store.Event, 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Watch(ctx, func(e store.Event) { events <- e }); close(done) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Error("Watch did not end with its context")
		}
	})
	return events
}

// next waits for the next event, for as long as a busy machine may take.
func next(t *testing.T, events <-chan store.Event, want store.Event) {
	t.Helper()
	const within = 20 * time.Second
	select {
	case got := <-events:
		if got != want {
			t.Fatalf("heard %v, want %v", got, want)
		}
	case <-time.After(within):
		t.Fatalf("heard nothing within %s, want %v", within, want)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	s, _ := storetest.Mini(t)
	events := watch(t, s)
	next(t, events, store.Event{Topic: store.TopicResync})
	if err := s.Publish(t.Context(), "gateway", "lc-a"); err != nil {
		t.Fatal(err)
	}
	next(t, events, store.Event{Topic: "gateway", ID: "lc-a"})
}

// TestWatchLostConnections cuts the connection in each way that there is. What
// is published meanwhile is lost, so the watcher must hear that, and soon.
func TestWatchLostConnections(t *testing.T) {
	t.Parallel()
	publisher, srv := storetest.Real(t)
	resync := store.Event{Topic: store.TopicResync}
	tests := map[string]struct {
		cut, mend func(*storetest.Relay)
	}{
		"closed":  {cut: (*storetest.Relay).Drop, mend: (*storetest.Relay).Pass},
		"refused": {cut: (*storetest.Relay).Refuse, mend: (*storetest.Relay).Pass},
		// A connection that is open and silent is given up, not waited for.
		"silent": {cut: (*storetest.Relay).Swallow, mend: (*storetest.Relay).Pass},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			relay := storetest.StartRelay(t, srv.Addr())
			events := watch(t, storetest.Open(t, store.Options{Addrs: []string{relay.Addr()}}))
			next(t, events, resync)
			tt.cut(relay)
			if err := publisher.Publish(t.Context(), "token", "lost"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // by then the connection must have been given up
			relay.Drop()            // and nothing of the old one may come through
			tt.mend(relay)
			next(t, events, resync) // tries are at most half a second apart
			publish := time.NewTicker(100 * time.Millisecond)
			defer publish.Stop()
			timeout := time.After(20 * time.Second)
			for heard := false; !heard; {
				select {
				case <-publish.C:
					if err := publisher.Publish(t.Context(), "token", "again"); err != nil {
						t.Fatal(err)
					}
				case e := <-events:
					if heard = e == (store.Event{Topic: "token", ID: "again"}); !heard && e != resync {
						t.Fatalf("heard %v, which was published while cut off", e)
					}
				case <-timeout:
					t.Fatal("nothing heard after the connection was mended")
				}
			}
		})
	}
}

// TestWatchNoticesSilence measures how long a dead connection goes unnoticed:
// until the watcher opens the next one.
func TestWatchNoticesSilence(t *testing.T) {
	t.Parallel()
	_, srv := storetest.Real(t)
	relay := storetest.StartRelay(t, srv.Addr())
	events := watch(t, storetest.Open(t, store.Options{Addrs: []string{relay.Addr()}}))
	next(t, events, store.Event{Topic: store.TopicResync})
	// Nobody publishes anything, which is no silence. A machine that is too busy to
	// answer pings is.
	var before int
	for try := 0; ; try++ {
		before = relay.Accepted()
		time.Sleep(1500 * time.Millisecond)
		if relay.Accepted() == before && len(events) == 0 {
			break
		}
		if try == 5 {
			t.Fatal("a quiet connection was given up, again and again")
		}
		for len(events) > 0 {
			<-events
		}
	}
	relay.Swallow()
	start := time.Now()
	var took time.Duration // without the time in which this process did not run
	for relay.Accepted() == before {
		if time.Since(start) > 20*time.Second {
			t.Fatal("not noticed within 20 s")
		}
		asleep := time.Now()
		time.Sleep(5 * time.Millisecond)
		took += min(time.Since(asleep), 25*time.Millisecond)
	}
	if took > 1100*time.Millisecond {
		t.Errorf("a silent connection went unnoticed for %s", took)
	} else {
		t.Logf("noticed after %s", took.Round(time.Millisecond))
	}
}
