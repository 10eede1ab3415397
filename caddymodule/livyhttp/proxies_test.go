package livyhttp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestForgedAddresses shows the effect of trusted_proxies_strict: a proxy appends the address of
// its client to the header that the client sent.
func TestForgedAddresses(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	_, secret, err := core.InForce().Tokens.Create(t.Context(), tokens.CreateRequest{
		GatewayID: s.Gateway.ID, Settings: tokens.Settings{Name: new("inside"), CIDRs: new([]string{"10.0.0.0/8"})},
	})
	if err != nil {
		t.Fatal(err)
	}
	inside := tokens.Header + ": " + secret
	const (
		forged = "10.9.9.9, 203.0.113.5" // written by the client, seen by the proxy
		honest = "10.1.2.3"
	)
	for _, tc := range []struct {
		name, options  string
		forged, honest int
	}{
		{"no proxies", "", 403, 403},
		{"proxies", "trusted_proxies static 127.0.0.0/8", 200, 200},
		{"proxies, strictly", "trusted_proxies static 127.0.0.0/8\ntrusted_proxies_strict", 403, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.Load(strings.Replace(s.Config, "livy {", "servers {\n"+tc.options+"\n}\nlivy {", 1))
			for header, want := range map[string]int{forged: tc.forged, honest: tc.honest} {
				r := s.Do(http.MethodGet, "/sessions", "", inside, "X-Forwarded-For: "+header)
				if r.StatusCode != want {
					t.Errorf("X-Forwarded-For: %s: %d %s, want %d", header, r.StatusCode, r.Text, want)
				}
			}
		})
	}
}
