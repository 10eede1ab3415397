package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/upstream"
)

// TestAnInterruptedDeletion ends the instance that carries out a deletion before and after
// each of its steps. The next instance completes it, with the same result.
func TestAnInterruptedDeletion(t *testing.T) {
	for _, at := range []deletionStep{stopServer, revokeTokens, removeRecords, removeGateway} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			s, redis := storetest.Mini(t)
			rt := newFakeRuntime(t)
			first := testManagerWith(t, s, rt, func(*Options) {})
			reached := make(chan struct{}, 100)
			first.beforeDeletionStep = func(step deletionStep) error {
				if step != at {
					return nil
				}
				reached <- struct{}{}
				return errors.New("the process ended")
			}
			g, token := gatewayWithWork(t, first)
			gone, leave := context.WithCancel(t.Context())
			go func() { <-reached; leave() }() // whoever asked for the deletion does not wait for it
			left, err := first.Delete(gone, g, true, gateway.By("ann"))
			if err != nil || left == nil || left.Desired != gateway.StateDeleting || left.Status.State != gateway.StateDeleting {
				t.Fatalf("interrupted at %q: %+v, %v", at, left, err)
			}
			shown := await(t, first, g.ID, "the reason", func(g *gateway.Gateway) bool {
				return strings.Contains(g.Status.Reason, "the process ended")
			})
			if !strings.Contains(shown.Status.Reason, string(at)) {
				t.Errorf("the reason is %q", shown.Status.Reason)
			}
			first.Close(false)

			second := testManager(t, storetest.Open(t, store.Options{Addrs: []string{redis.Addr()}, Timeout: storetest.Patience}), rt)
			if left, err := second.Delete(t.Context(), g, false, gateway.By("bob")); err != nil || left != nil {
				t.Fatalf("the next instance: %+v, %v", left, err)
			}
			checkNothingLeft(t, second, rt, redis, g, token)
			if _, err := second.Create(t.Context(), CreateRequest{Spec: gateway.Spec{Name: "etl"}}); err != nil {
				t.Errorf("the name is not free: %v", err)
			}
		})
	}
}

// gatewayWithWork returns a running gateway that has a token and a record.
func gatewayWithWork(t *testing.T, m *Manager) (*gateway.Gateway, *tokens.Token) {
	t.Helper()
	g := create(t, m, "etl", true)
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
	token, _, err := m.Tokens.Create(t.Context(), tokens.CreateRequest{GatewayID: g.ID, Settings: tokens.Settings{Name: new("t")}})
	if err != nil {
		t.Fatal(err)
	}
	r := &store.Record{ID: "livy-one", GatewayID: g.ID, Kind: "batch", Name: "one", PublicID: -1, Created: time.Now()}
	if err := m.Store.BeginCreate(t.Context(), r, 0, nil); err != nil {
		t.Fatal(err)
	}
	return g, token
}

func checkNothingLeft(
	t *testing.T, m *Manager, rt *fakeRuntime, redis *miniredis.Miniredis, g *gateway.Gateway, token *tokens.Token,
) {
	t.Helper()
	if running, _ := rt.count(); running != 0 {
		t.Errorf("%d servers are left", running)
	}
	if left, err := m.Tokens.List(t.Context(), g.ID); err != nil || len(left) != 0 {
		t.Errorf("tokens left: %v, %v", left, err)
	}
	for _, key := range redis.Keys() {
		if strings.Contains(key, g.ID) {
			t.Errorf("left in Redis: %s", key)
		}
	}
	entries, _, err := m.Store.ReadAudit(t.Context(), store.AuditFilter{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	var who []string
	for _, e := range entries {
		if e.Action == actionDelete || e.Action == "token.revoke" && e.Target == token.ID {
			who = append(who, e.Action+" by "+e.Actor)
		}
	}
	slices.Sort(who)
	if got := strings.Join(who, ", "); got != "gateway.delete by ann, token.revoke by ann" {
		t.Errorf("the audit log has %s", got)
	}
}

// TestADeletionIsDecidedFirst covers deletions that are refused: they change nothing.
func TestADeletionIsDecidedFirst(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	entered := make(chan gateway.State, 100)
	m := testManagerWith(t, s, rt, func(o *Options) {
		o.OnTransition = func(g *gateway.Gateway) { entered <- g.Status.State }
	})
	stopped := create(t, m, "etl", false)
	if _, err := m.Start(t.Context(), stopped, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	running := await(t, m, stopped.ID, "running", inState(gateway.StateRunning))
	if _, _, err := m.Tokens.Create(t.Context(), tokens.CreateRequest{GatewayID: running.ID, Settings: tokens.Settings{Name: new("t")}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		known *gateway.Gateway
		force bool
		order gateway.Order
		kind  gateway.Kind
	}{
		{"started since it was read", stopped, false, gateway.By("bob"), gateway.KindConflict},
		{"running", running, false, gateway.By("bob"), gateway.KindConflict},
		{"another revision", running, true, gateway.Order{IfRevision: stopped.Revision}, gateway.KindStale},
	} {
		if _, err := m.Delete(t.Context(), c.known, c.force, c.order); gateway.KindOf(err) != c.kind {
			t.Errorf("%s: %v", c.name, err)
		}
		now, err := s.Gateway(t.Context(), running.ID)
		if err != nil || now.Revision != running.Revision {
			t.Errorf("%s: the gateway was changed: %+v, %v", c.name, now, err)
		}
		if left, err := m.Tokens.List(t.Context(), running.ID); err != nil || len(left) != 1 {
			t.Errorf("%s: the tokens are %v, %v", c.name, left, err)
		}
	}
	order := gateway.Order{Origin: gateway.Origin{Actor: "ann"}, IfRevision: running.Revision}
	if left, err := m.Delete(t.Context(), running, true, order); err != nil || left != nil {
		t.Errorf("the current revision: %+v, %v", left, err)
	}
	var states []gateway.State
	for len(states) == 0 || states[len(states)-1] != gateway.StateStopped {
		select {
		case s := <-entered:
			states = append(states, s)
		case <-time.After(10 * time.Second):
			t.Fatalf("its states were %v, without the end of its server", states)
		}
	}
}

// stuckRuntime cannot stop servers until told.
type stuckRuntime struct {
	*fakeRuntime
	free atomic.Bool
}

func (r *stuckRuntime) Stop(ctx context.Context, id string, upTo int64) error {
	if !r.free.Load() {
		return errors.New("the engine does not answer")
	}
	return r.fakeRuntime.Stop(ctx, id, upTo)
}

// TestAGatewayThatIsBeingDeleted cannot be started or changed, nor woken by a request.
func TestAGatewayThatIsBeingDeleted(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := &stuckRuntime{fakeRuntime: newFakeRuntime(t)}
	m := testManager(t, s, upstream.Runtime(rt))
	g, err := m.Create(t.Context(), CreateRequest{Spec: gateway.Spec{Name: "etl", AutoStart: gateway.AutoStart{Enabled: true}}})
	if err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if left, err := m.Delete(soon, g, false, gateway.By("ann")); err != nil || left == nil {
		t.Fatalf("deleting: %+v, %v", left, err)
	}
	g = await(t, m, g.ID, "the reason", func(g *gateway.Gateway) bool {
		return g.Status.Reason == "stopping the Livy server failed and is retried: the engine does not answer"
	})
	_, start := m.Start(t.Context(), g, gateway.By("bob"))
	_, stop := m.Stop(t.Context(), g, gateway.By("bob"))
	_, update := m.Update(t.Context(), g, UpdateRequest{Patch: []byte(`{"queue":"a"}`)})
	_, again := m.Create(t.Context(), CreateRequest{Spec: gateway.Spec{Name: "etl"}})
	for name, err := range map[string]error{
		"start": start, "stop": stop, "update": update, "create": again, "token": m.CheckToken(g, "", ""),
	} {
		if gateway.KindOf(err) != gateway.KindConflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	entry, err := m.Lookup("default", "etl")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Ready(t.Context(), entry, gateway.Origin{}); gateway.KindOf(err) != gateway.KindUnavailable || !strings.Contains(err.Error(), "is being deleted") {
		t.Errorf("a request: %v", err)
	}
	if entry.Asleep() {
		t.Error("a request would wake it")
	}
	rt.free.Store(true)
	if left, err := m.Delete(t.Context(), g, false, gateway.By("ann")); err != nil || left != nil {
		t.Errorf("once the engine answers: %+v, %v", left, err)
	}
	if _, starts := rt.count(); starts != 0 {
		t.Errorf("it was started %d times", starts)
	}
}
