package tokens_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

func TestScopesOfSelfService(t *testing.T) {
	s, _ := fake(tokens.Options{})
	type scopes = []tokens.Scope
	some := func(of ...tokens.Scope) *scopes { return &of }
	for _, tt := range []struct {
		allowed scopes
		asked   *scopes
		want    string // "refused", or those of the token
	}{
		{nil, nil, "[]"},
		{nil, some(), "[]"},
		{nil, some("batches"), "[batches]"},
		{nil, some("read", "sessions"), "[read sessions]"},
		{nil, some("admin"), "refused"},
		{nil, some("nonsense"), "refused"},
		{scopes{"batches"}, nil, "[batches]"},
		{scopes{"batches"}, some(), "refused"},
		{scopes{"batches"}, some("sessions"), "refused"},
		{scopes{"batches"}, some("batches", "sessions"), "refused"},
		{scopes{"batches"}, some("batches", "read"), "[batches read]"},
		{scopes{"read"}, nil, "[read]"},
		{scopes{"read"}, some(), "refused"},
		{scopes{"read"}, some("sessions"), "refused"},
		{scopes{"read"}, some("sessions", "read"), "[sessions read]"},
	} {
		name := "x"
		token, _, err := s.CreateOwn(t.Context(), tokens.CreateRequest{
			GatewayID: "lc-1", By: gateway.Origin{Actor: "ann"}, Settings: tokens.Settings{Name: &name, Scopes: tt.asked},
		}, "ann", tokens.SelfService{Scopes: tt.allowed})
		got := "refused"
		if err == nil {
			got = fmt.Sprint(token.Scopes)
		} else if gateway.KindOf(err) != gateway.KindInvalid {
			t.Errorf("of %v, %v: %v", tt.allowed, tt.asked, err)
		}
		if got != tt.want {
			t.Errorf("of %v, %v: %s, want %s", tt.allowed, tt.asked, got, tt.want)
		}
	}
}

func TestBoundsOfSelfService(t *testing.T) {
	day := 24 * time.Hour
	for _, tt := range []struct{ all, self, want time.Duration }{
		{0, 0, 30 * day}, {10 * day, 0, 10 * day}, {90 * day, 0, 30 * day}, {90 * day, 60 * day, 60 * day}, {10 * day, 60 * day, 10 * day},
	} {
		s, _ := fake(tokens.Options{MaxLifetime: tt.all})
		if got := s.Bounds(tokens.SelfService{MaxLifetime: tt.self}).MaxLifetime; got != tt.want {
			t.Errorf("%s of all and %s: %s, want %s", tt.all, tt.self, got, tt.want)
		}
	}
}
