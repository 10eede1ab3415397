package store_test

import (
	"context"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

func TestARenamedGatewayGivesItsNameUp(t *testing.T) {
	s, _ := storetest.Mini(t)
	ctx := context.Background()
	g := newGateway("lc-1", "old")
	if err := s.SaveGateway(ctx, g, store.Write{}); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveGateway(ctx, newGateway("lc-2", "taken"), store.Write{}); err != nil {
		t.Fatal(err)
	}
	g.Spec.Name = "taken"
	if err := s.SaveGateway(ctx, g, store.Write{}); gateway.KindOf(err) != gateway.KindConflict {
		t.Errorf("a name that is taken: %v", err)
	}
	g.Spec.Name = "new"
	if err := s.SaveGateway(ctx, g, store.Write{}); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveGateway(ctx, newGateway("lc-3", "old"), store.Write{}); err != nil {
		t.Errorf("the old name is not free: %v", err)
	}
	if err := s.SaveGateway(ctx, newGateway("lc-4", "new"), store.Write{}); gateway.KindOf(err) != gateway.KindConflict {
		t.Errorf("the new name is free: %v", err)
	}
}

func TestTheFirstNamesTheInstallation(t *testing.T) {
	s, _ := storetest.Mini(t)
	for _, proposal := range []string{"in-1", "in-2"} {
		if got, err := s.Installation(context.Background(), proposal); err != nil || got != "in-1" {
			t.Errorf("proposing %s: %q, %v", proposal, got, err)
		}
	}
}

func TestTheLastUseWins(t *testing.T) {
	s, _ := storetest.Mini(t)
	ctx := context.Background()
	for _, step := range []struct{ at, want int64 }{{0, 0}, {1_700_000_000_000, 1_700_000_000_000}, {1_600_000_000_000, 1_700_000_000_000}} {
		if got, err := s.Touch(ctx, "lc-1", step.at); err != nil || got != step.want {
			t.Errorf("Touch(%d) = %d, %v", step.at, got, err)
		}
	}
}
