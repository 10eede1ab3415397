package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestOthersServeAChangeWithinASecond makes changes through one instance and
// looks when another one serves them: with notices, with a connection that is
// lost while the change is made, and with no notice coming through at all.
func TestOthersServeAChangeWithinASecond(t *testing.T) {
	first, redis := storetest.Real(t)
	relay := storetest.StartRelay(t, redis.Addr())
	second := storetest.Open(t, store.Options{Addrs: []string{relay.Addr()}})
	rt := newFakeRuntime(t)
	seldom := func(o *Options) { o.RefreshInterval = time.Hour }
	a, b := testManagerWith(t, first, rt, seldom), testManagerWith(t, second, rt, seldom)
	ctx := context.Background()
	for name, before := range map[string]func(i int){
		"with notices": func(int) {},
		"connections lost meanwhile": func(i int) {
			if i%2 == 0 {
				relay.Drop()
			}
		},
		"no notice comes through": func(i int) {
			if i == 0 {
				relay.SwallowSubscriptions()
			}
		},
	} {
		relay.Pass()
		g := create(t, a, "etl", false)
		var worst time.Duration
		seen := func(what string, ok func(e *Entry, err error) bool) {
			t.Helper()
			began := time.Now()
			var took time.Duration // without the time in which this process did not run
			for !ok(b.Lookup("default", "etl")) {
				if time.Since(began) > 30*time.Second {
					t.Fatalf("%s: %s is not seen", name, what)
				}
				asleep := time.Now()
				time.Sleep(2 * time.Millisecond)
				took += min(time.Since(asleep), 20*time.Millisecond)
			}
			worst = max(worst, took)
		}
		seen("the new gateway", func(e *Entry, err error) bool { return err == nil })
		for i := range 20 {
			before(i)
			public := i%2 == 0
			g = patch(t, a, g, false, fmt.Sprintf(`{"public":%v}`, public))
			seen("public", func(e *Entry, err error) bool { return err == nil && e.Gateway.Spec.Public == public })
			before(i)
			blacklist, err := json.Marshal(fmt.Sprintf("spark.test.%d", i))
			if err != nil {
				t.Fatal(err)
			}
			g = patch(t, a, g, false, fmt.Sprintf(`{"sparkBlacklist":%s}`, blacklist))
			seen("the policy", func(e *Entry, err error) bool {
				return err == nil && strings.HasSuffix(e.Gateway.Spec.SparkBlacklist, fmt.Sprint("test.", i))
			})
		}
		if _, err := a.Delete(ctx, g, true, gateway.Order{}); err != nil {
			t.Fatal(err)
		}
		seen("the deletion", func(e *Entry, err error) bool { return gateway.KindOf(err) == gateway.KindNotFound })
		t.Logf("%s: 42 changes, the slowest seen after %v", name, worst)
		if worst > time.Second {
			t.Errorf("%s: a change was seen after %v", name, worst)
		}
	}
}

// TestAnyInstanceTakesOrders: starting, stopping and deleting work through an
// instance that does not supervise the gateway, and many requests at two
// instances wake it once.
func TestAnyInstanceTakesOrders(t *testing.T) {
	s, redis := storetest.Mini(t)
	rt := newFakeRuntime(t)
	a := testManager(t, s, rt)
	g, err := a.Create(context.Background(), CreateRequest{Spec: gateway.Spec{Name: "etl", AutoStart: gateway.AutoStart{Enabled: true}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if len(a.leaseholder.heldNumbers()) == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	b := testManager(t, storetest.Open(t, store.Options{Addrs: []string{redis.Addr()}, Timeout: storetest.Patience}), rt)
	for range 1000 {
		if _, err := b.Lookup("default", "etl"); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	wakeAtOnce(t, rt, a, b)
	if stats := b.LeaseStats(); stats.Held != 0 || stats.Others != 1 {
		t.Errorf("the second instance: %+v", stats)
	}
	if _, err := b.Delete(context.Background(), g, true, gateway.Order{}); err != nil {
		t.Fatal(err)
	}
	if running, _ := rt.count(); running != 0 {
		t.Errorf("%d servers left", running)
	}
}

// TestAnOldBackup restores what Redis held before a gateway's server was replaced:
// the server that Redis does not know is ended, and no id comes again.
func TestAnOldBackup(t *testing.T) {
	s, redis := storetest.Mini(t)
	rt := newFakeRuntime(t)
	ctx := context.Background()
	m := testManager(t, s, rt)
	g := create(t, m, "etl", true)
	await(t, m, g.ID, "running", inState(gateway.StateRunning))
	doc, revision := redis.HGet("livygw:gateways", g.ID), redis.HGet("livygw:gateway-revisions", g.ID)
	if _, err := m.Restart(ctx, g, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	await(t, m, g.ID, "the second server", func(g *gateway.Gateway) bool {
		return g.Status.State == gateway.StateRunning && g.Status.Epoch == 2
	})
	if err := s.SaveRecords(ctx, store.Fence{}, g.ID, &store.Record{ID: "livy-new", Kind: "session", PublicID: 40, Epoch: 2, Created: time.Now()}); err != nil {
		t.Fatal(err)
	}
	m.Close(false)
	redis.HSet("livygw:gateways", g.ID, doc)
	redis.HSet("livygw:gateway-revisions", g.ID, revision)
	redis.Del("livygw:ids:" + g.ID)
	redis.Del("livygw:records:" + g.ID)
	redis.Del("livygw:live:" + g.ID)

	m = testManager(t, s, rt)
	g = await(t, m, g.ID, "a server after the restore", func(g *gateway.Gateway) bool {
		return g.Status.State == gateway.StateRunning && g.Status.Epoch == 3
	})
	if running, starts := rt.count(); running != 1 || starts != 3 || g.Status.SessionBase <= 40 {
		t.Errorf("%d servers after %d starts, %+v", running, starts, g.Status)
	}
}
