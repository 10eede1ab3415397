package tokens_test

import (
	"context"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestRevocationIsFeltWithinASecond shows the promise in every condition that
// Redis can be in: 32 clients use a token through two instances, the token is
// revoked, and no request that starts more than a second later succeeds.
func TestRevocationIsFeltWithinASecond(t *testing.T) {
	long(t)
	t.Parallel()
	type world struct {
		srv    *storetest.Server
		relays [2]*storetest.Relay
	}
	conditions := map[string]struct {
		args []string
		// before happens while the token is in use, before it is revoked; meanwhile
		// happens beside the revocation.
		before, meanwhile func(w *world)
	}{
		"all is well": {},
		"no news gets through": {before: func(w *world) {
			for _, r := range w.relays {
				r.SwallowSubscriptions()
			}
		}},
		"news is cut off again and again": {meanwhile: func(w *world) {
			for range 20 {
				for _, r := range w.relays {
					r.Drop()
				}
				time.Sleep(50 * time.Millisecond)
			}
		}},
		"killed and started again": {before: func(w *world) { w.srv.Kill() }, meanwhile: func(w *world) {
			time.Sleep(700 * time.Millisecond)
			w.srv.Restart()
		}},
		"halted": {before: func(w *world) { w.srv.Stop() }, meanwhile: func(w *world) {
			time.Sleep(1500 * time.Millisecond)
			w.srv.Cont()
		}},
		"halted for longer than requests wait": {before: func(w *world) {
			w.srv.Stop()
			time.Sleep(4500 * time.Millisecond)
			w.srv.Cont()
		}},
		"halted just after": {meanwhile: func(w *world) {
			time.Sleep(5 * time.Millisecond)
			w.srv.Stop()
			time.Sleep(1200 * time.Millisecond)
			w.srv.Cont()
		}},
		"loading": {before: func(w *world) {
			w.srv.MustDo("EVAL", "for i = 1, 1000 do redis.call('SET', 'filler:' .. i, i) end return 1", 0)
			w.srv.MustDo("SAVE")
			w.srv.Kill()
		}, meanwhile: func(w *world) { w.srv.RestartLoading() }},
		"read-only for a while": {before: func(w *world) { w.srv.MustDo("REPLICAOF", "127.0.0.1", "1") }, meanwhile: func(w *world) {
			time.Sleep(500 * time.Millisecond)
			w.srv.MustDo("REPLICAOF", "NO", "ONE")
		}},
		"full": {before: func(w *world) { w.srv.MustDo("CONFIG", "SET", "maxmemory", "1") }},
	}
	for name, c := range conditions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{srv: storetest.StartServer(t, c.args...)}
			var instances []*instance
			for i := range w.relays {
				w.relays[i] = storetest.StartRelay(t, w.srv.Addr())
				instances = append(instances, newInstance(t, store.Options{Addrs: []string{w.relays[i].Addr()}}))
			}
			doomed, secret := mustCreate(t, instances[0].Service, tokens.CreateRequest{})
			_, other := mustCreate(t, instances[1].Service, tokens.CreateRequest{})
			stop, stopOther := hammer(t, 32, secret, instances...), hammer(t, 2, other, instances...)
			time.Sleep(400 * time.Millisecond)
			if c.before != nil {
				c.before(w)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if c.meanwhile != nil {
					c.meanwhile(w)
				}
			}()
			patiently(t, "revoking", func(ctx context.Context) error {
				return instances[0].Revoke(ctx, gateway.Order{}, gw, doomed.ID)
			})
			returned := time.Now()
			<-done
			time.Sleep(max(0, time.Until(returned.Add(2*time.Second))))
			checkFelt(t, stop(), returned, everyone)
			checkUnharmed(t, stopOther())
			if got := reason(t, instances[1].Service, gw, other, post); got != "" {
				t.Errorf("the other token afterwards: %s", got)
			}
		})
	}
}

// TestRevocationBesideACutOffInstance has one of two instances lose Redis
// altogether. The other feels the revocation within a second; the one that is
// cut off refuses changes, and feels it within a second of being back.
func TestRevocationBesideACutOffInstance(t *testing.T) {
	long(t)
	t.Parallel()
	srv := storetest.StartServer(t)
	relay := storetest.StartRelay(t, srv.Addr())
	near := newInstance(t, store.Options{Addrs: []string{srv.Addr()}})
	far := newInstance(t, store.Options{Addrs: []string{relay.Addr()}})
	doomed, secret := mustCreate(t, near.Service, tokens.CreateRequest{})
	stop := hammer(t, 32, secret, near, far)
	time.Sleep(400 * time.Millisecond)
	relay.Refuse()
	time.Sleep(time.Second) // what is in the cache is no longer fresh
	if err := near.Revoke(t.Context(), gateway.Order{}, gw, doomed.ID); err != nil {
		t.Fatal(err)
	}
	returned := time.Now()
	time.Sleep(4500 * time.Millisecond)
	relay.Pass()
	back := time.Now()
	time.Sleep(2 * time.Second)
	outcomes := stop()

	checkFelt(t, outcomes, returned, func(o outcome) bool { return o.instance == 0 })
	checkFelt(t, outcomes, back, func(o outcome) bool { return o.instance == 1 })
	cutOff := func(method string) map[tokens.Reason]int {
		return count(outcomes, func(o outcome) bool {
			ended := o.start.Add(o.took)
			return o.instance == 1 && o.method == method && ended.After(returned) && ended.Before(back)
		})
	}
	gets, posts := cutOff("GET"), cutOff("POST")
	t.Logf("while cut off: GET %v, POST %v", gets, posts)
	if gets[""] == 0 {
		t.Error("no GET had the benefit of the grace")
	}
	if posts[""] != 0 || posts[tokens.ReasonUnavailable] == 0 {
		t.Error("changes must be refused as unavailable")
	}
}

// TestRevocationSurvivesAFailover revokes a token, and has the primary die at
// that moment: the replica that takes over must know of it.
func TestRevocationSurvivesAFailover(t *testing.T) {
	long(t)
	t.Parallel()
	group := storetest.StartSentinelGroup(t)
	one, two := newInstance(t, group.Options()), newInstance(t, group.Options())
	early, first := mustCreate(t, one.Service, tokens.CreateRequest{})
	late, second := mustCreate(t, one.Service, tokens.CreateRequest{})
	_, other := mustCreate(t, one.Service, tokens.CreateRequest{})
	stopFirst, stopSecond := hammer(t, 32, first, one, two), hammer(t, 8, second, one, two)
	stopOther := hammer(t, 2, other, one, two)
	time.Sleep(400 * time.Millisecond)
	if err := one.Revoke(t.Context(), gateway.Order{}, gw, early.ID); err != nil {
		t.Fatal(err)
	}
	revokedFirst := time.Now()
	group.Primary.Kill()
	killed := time.Now()
	patiently(t, "revoking after the failover", func(ctx context.Context) error {
		return two.Revoke(ctx, gateway.Order{}, gw, late.ID)
	})
	revokedSecond := time.Now()
	t.Logf("the failover took %s", time.Since(killed).Round(time.Millisecond))
	time.Sleep(2 * time.Second)
	checkFelt(t, stopFirst(), revokedFirst, everyone)
	checkFelt(t, stopSecond(), revokedSecond, everyone)
	checkUnharmed(t, stopOther())
	if group.Replica.MustDo("ROLE").([]any)[0] != "master" {
		t.Error("the replica did not take over")
	}
}
