package tokens_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

const gw = "lc-aaaaaaaaaaaaaaaa"

var get = tokens.Attempt{Method: "GET", RemoteAddr: "192.0.2.7:4711", UserAgent: "test/1"}

// mini is a service on a miniredis of its own.
func mini(t testing.TB, o tokens.Options) (*tokens.Service, *store.Store) {
	t.Helper()
	s, _ := storetest.Mini(t)
	return tokens.New(s, o, nil), s
}

func mustCreate(t testing.TB, s *tokens.Service, r tokens.CreateRequest) (*tokens.Token, string) {
	t.Helper()
	if r.GatewayID == "" {
		r.GatewayID = gw
	}
	if r.Name == nil {
		r.Name = new("test")
	}
	var token *tokens.Token
	var secret string
	// A busy machine can be late with the answer of a real Redis.
	err := store.Retry(t.Context(), 5*time.Second, func(ctx context.Context) (err error) {
		token, secret, err = s.Create(ctx, r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return token, secret
}

// reason is why Verify refused; empty if it did not.
func reason(t testing.TB, s *tokens.Service, gatewayID, secret string, a tokens.Attempt) tokens.Reason {
	t.Helper()
	_, err := s.Verify(context.Background(), gatewayID, secret, a)
	return reasonOf(t, err)
}

func reasonOf(t testing.TB, err error) tokens.Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *tokens.Error
	if !errors.As(err, &e) {
		t.Errorf("Verify returned %T, want *tokens.Error: %v", err, err)
		return "?"
	}
	if gateway.KindOf(err) != e.Kind {
		t.Errorf("gateway.KindOf(%v) = %v, want %v", err, gateway.KindOf(err), e.Kind)
	}
	return e.Reason
}

func TestLifeOfAToken(t *testing.T) {
	t.Parallel()
	s, _ := mini(t, tokens.Options{})
	token, secret := mustCreate(t, s, tokens.CreateRequest{By: gateway.Origin{Actor: "ann"}, Settings: tokens.Settings{Name: new("etl")}})

	if got := reason(t, s, gw, secret, get); got != "" {
		t.Fatalf("new token: refused as %s", got)
	}
	if got := reason(t, s, "lc-bbbbbbbbbbbbbbbb", secret, get); got != tokens.ReasonGateway {
		t.Errorf("at another gateway: %q, want %q", got, tokens.ReasonGateway)
	}
	if _, err := s.Disable(t.Context(), gateway.Order{}, gw, token.ID); err != nil {
		t.Fatal(err)
	}
	if got := reason(t, s, gw, secret, get); got != tokens.ReasonDisabled {
		t.Errorf("disabled: %q, want %q", got, tokens.ReasonDisabled)
	}
	if _, err := s.Enable(t.Context(), gateway.Order{}, gw, token.ID); err != nil {
		t.Fatal(err)
	}
	if got := reason(t, s, gw, secret, get); got != "" {
		t.Errorf("enabled again: refused as %s", got)
	}
	renamed, err := s.Rename(t.Context(), gateway.Order{}, gw, token.ID, "etl nightly")
	if err != nil {
		t.Fatal(err)
	}
	if renamed.Name != "etl nightly" || renamed.ID != token.ID {
		t.Errorf("renamed to %q under id %s", renamed.Name, renamed.ID)
	}
	_, second, err := s.Reset(t.Context(), gateway.Order{}, gw, token.ID, tokens.ResetRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got := reason(t, s, gw, secret, get); got != tokens.ReasonRevoked {
		t.Errorf("old secret after a reset: %q, want %q", got, tokens.ReasonRevoked)
	}
	if got := reason(t, s, gw, second, get); got != "" {
		t.Errorf("new secret after a reset: refused as %s", got)
	}
	if err := s.Revoke(t.Context(), gateway.Order{}, gw, token.ID); err != nil {
		t.Fatal(err)
	}
	if got := reason(t, s, gw, second, get); got != tokens.ReasonRevoked {
		t.Errorf("revoked: %q, want %q", got, tokens.ReasonRevoked)
	}
	if err := s.Revoke(t.Context(), gateway.Order{}, gw, token.ID); err != nil {
		t.Errorf("revoking again: %v", err)
	}
	if got, err := s.Get(t.Context(), gw, token.ID); err != nil || got.State(time.Now()) != "revoked" {
		t.Errorf("Get of a revoked token: %+v, %v", got, err)
	}
	if _, err := s.Enable(t.Context(), gateway.Order{}, gw, token.ID); gateway.KindOf(err) != gateway.KindConflict {
		t.Errorf("enabling a revoked token: %v, want a conflict", err)
	}
	if list, err := s.ListRevoked(t.Context(), gw); err != nil || len(list) != 1 || list[0].ID != token.ID {
		t.Errorf("ListRevoked = %v, %v", list, err)
	}
	list, err := s.List(t.Context(), gw)
	if err != nil || len(list) != 0 {
		t.Errorf("List after revoking = %v, %v; want none", list, err)
	}
}
