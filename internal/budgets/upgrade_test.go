package budgets_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestTheFirstInstanceAfterAnUpgrade starts with data of a version that recorded neither users
// nor workspaces and kept no sums by them. What runs counts for its user as soon as the gateways
// are known, and its end does at once.
func TestTheFirstInstanceAfterAnUpgrade(t *testing.T) {
	s, mini := storetest.Mini(t)
	i := newInstance(t, s, noon, people())
	i.tokens["lctk-1"] = budgets.Token{Name: "nightly", User: "ann"}
	old := &store.Record{
		ID: "livy-old", GatewayID: i.g.ID, Kind: "batch", Name: "old", State: "running", TokenID: "lctk-1", TokenName: "nightly",
		Epoch: 1, MilliCPU: 1000, MemoryMB: 1024, Created: noon.Add(-50 * time.Minute), Started: noon.Add(-50 * time.Minute),
	}
	if err := s.SaveRecords(t.Context(), store.Fence{}, i.g.ID, old); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"held:token:lctk-1", "held:gateway:lc-1"} {
		mini.Del("livygw:" + key)
	}
	var mu sync.Mutex
	tries := 0
	i.Gateways = func() ([]*gateway.Gateway, error) {
		mu.Lock()
		defer mu.Unlock()
		if tries++; tries == 1 {
			return nil, gateway.Errorf(gateway.KindUnavailable, "the gateways are not known yet")
		}
		return []*gateway.Gateway{i.g}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() { i.Run(ctx) })
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if held, _ := mini.HKeys("livygw:held:user:ann"); len(held) == 1 {
			break
		}
		if time.Since(begun) > 10*time.Second { // far less than the pause between two looks
			t.Fatal("what runs does not count for its user")
		}
	}
	cancel()
	running.Wait()
	// 50 minutes run, and two reservations of 6 minutes are more than the hour.
	if _, _, err := i.begin("lctk-2", "ann"); err != nil {
		t.Errorf("within the budget: %v", err)
	}
	if _, _, err := i.begin("lctk-2", "ann"); err == nil {
		t.Error("a create above the budget")
	}
	i.poll("old=success")
	if got := i.spent("2026-11", "ann"); got != 50*60 {
		t.Errorf("settled %v, want %d", got, 50*60)
	}
	if sums, err := s.Spent(t.Context(), "2026-11"); err != nil || sums[store.Account{Per: "workspace", Name: "default"}].MilliCPUSeconds != 50*60*1000 {
		t.Errorf("%+v %v", sums, err)
	}
}

// TestWatchCompletesRecords checks that a record which an instance of the version before writes
// during an upgrade counts for its user by the next look.
func TestWatchCompletesRecords(t *testing.T) {
	s, _ := storetest.Mini(t)
	i := newInstance(t, s, noon, people())
	i.tokens["lctk-1"] = budgets.Token{User: "ann"}
	i.Interval = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() { i.Run(ctx) })
	for i.Last() == nil { // the first count is over
		time.Sleep(time.Millisecond)
	}
	if err := s.SaveRecords(t.Context(), store.Fence{}, i.g.ID, &store.Record{
		ID: "livy-old", GatewayID: i.g.ID, Kind: "batch", State: "running", TokenID: "lctk-1", Epoch: 1, MilliCPU: 1000, Created: noon, Started: noon,
	}); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if r, err := s.RecordByID(t.Context(), i.g.ID, "livy-old"); err == nil && r.User == "ann" && r.Workspace == "default" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	running.Wait()
	if r, err := s.RecordByID(t.Context(), i.g.ID, "livy-old"); err != nil || r.User != "ann" || r.Workspace != "default" {
		t.Errorf("%+v %v", r, err)
	}
}

// TestBudgetsOfTokensByName checks that budgets for tokens match their names as well as ids, at
// creates and when what is used is looked at.
func TestBudgetsOfTokensByName(t *testing.T) {
	for pattern, want := range map[string]bool{"nightly-*": true, "lctk-1": true, "nightly": false, "lctk-2": false} {
		s, _ := storetest.Mini(t)
		i := newInstance(t, s, noon, people(func(b *budgets.Budget) { b.Per, b.Match = store.PerToken, []string{pattern} }))
		i.tokens["lctk-1"] = budgets.Token{Name: "nightly-etl", User: "ann"}
		i.tokens["lctk-3"] = budgets.Token{Name: "adhoc", User: "ann"}
		for token, matches := range map[string]bool{"lctk-1": want, "lctk-3": false} {
			l, err := i.Limits(&budgets.Create{Gateway: i.g, Kind: "batch", TokenID: token, TokenName: i.tokens[token].Name, User: "ann"})
			if err != nil || (len(l.Budgets) == 1) != matches {
				t.Errorf("%s of %s: %+v %v", pattern, token, l, err)
			}
			if _, _, err := i.begin(token, "ann"); err != nil {
				t.Fatal(err)
			}
		}
		all, err := i.Current(t.Context())
		if err != nil || (len(all) == 1) != want || want && (all[0].Label != "lctk-1" || all[0].Token.Name != "nightly-etl") {
			t.Errorf("%s: %+v %v", pattern, all, err)
		}
	}
}
