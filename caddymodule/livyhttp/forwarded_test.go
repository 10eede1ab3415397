package livyhttp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestForwarded(t *testing.T) {
	for name, tt := range map[string]struct {
		trusted bool
		before  []string
		want    string
	}{
		"none before":         {true, nil, "192.0.2.1"},
		"a trusted proxy":     {true, []string{"10.0.0.1", "10.0.0.2"}, "10.0.0.1, 10.0.0.2, 192.0.2.1"},
		"an empty one before": {true, []string{""}, "192.0.2.1"},
		"a client":            {false, []string{"10.0.0.1"}, "192.0.2.1"},
	} {
		ctx := context.WithValue(t.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.TrustedProxyVarKey: tt.trusted})
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/sessions", http.NoBody)
		if tt.before != nil {
			r.Header[forwardedFor] = tt.before
		}
		if got := forwarded(r); got.from != tt.want || got.proto != "http" || got.host != "example.com" {
			t.Errorf("%s: %+v, want %s", name, got, tt.want)
		}
	}
}
