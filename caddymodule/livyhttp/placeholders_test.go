package livyhttp_test

import (
	"net/http"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/map"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/tokens"
)

func TestPlaceholders(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	s.Load(strings.Replace(s.Config, "	livy_gateway\n", `	livy_gateway
	header >X-Seen "{http.livy.workspace}/{http.livy.gateway} {http.livy.route} {http.livy.token.id} {http.livy.token.name} [{http.livy.session}]"
	handle_errors 401 {
		respond "{http.livy.gateway} [{http.livy.token.id}] [{http.livy.session}]"
	}
`, 1))
	for _, tc := range []struct{ method, path, body, seen string }{
		{"GET", "/version", "", "default/etl version ID test []"},
		{"POST", "/sessions", `{"name":"mine"}`, "default/etl session.create ID test [0]"},
		{"POST", "/batches", `{"file":"file:/data/x.py"}`, "default/etl batch.create ID test [0]"},
		{"POST", "/sessions", `{}`, "default/etl session.create ID test [1]"},
		{"POST", "/sessions", `{"nonsense":1}`, "default/etl session.create ID test []"},
		{"GET", "/sessions", "", "default/etl session.list ID test []"},
		{"GET", "/sessions/1", "", "default/etl session.get ID test [1]"},
		{"GET", "/sessions/mine/state", "", "default/etl session.state ID test [0]"},
		{"GET", "/sessions/nobody", "", "default/etl session.get ID test []"},
		{"GET", "/nowhere", "", "{http.livy.workspace}/{http.livy.gateway} {http.livy.route} {http.livy.token.id} {http.livy.token.name} [{http.livy.session}]"},
	} {
		want := strings.Replace(tc.seen, "ID", s.TokenID, 1)
		if r := s.Do(tc.method, tc.path, tc.body); r.Header.Get("X-Seen") != want {
			t.Errorf("%s %s: %d %q, want %q", tc.method, tc.path, r.StatusCode, r.Header.Get("X-Seen"), want)
		}
	}
	if r := s.Do("GET", "/sessions/1", "", tokens.Header+": "); r.StatusCode != http.StatusUnauthorized || r.Text != "etl [] [1]" {
		t.Errorf("in an error route: %d %s", r.StatusCode, r.Text)
	}
}

// TestUserPlaceholder: the user is the token, also if something in the site found another user before.
func TestUserPlaceholder(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	for name, before := range map[string]string{
		"nobody": "", "somebody": "map {http.request.method} {http.auth.user.id} {\n\t\tdefault ann\n\t}\n\t",
	} {
		s.Load(strings.Replace(s.Config, "	livy_gateway\n", "	"+before+"header >X-User {http.auth.user.id}\n	livy_gateway\n", 1))
		if r := s.Do("GET", "/sessions", ""); r.Header.Get("X-User") != s.TokenID {
			t.Errorf("%s before: the user is %q, want %s", name, r.Header.Get("X-User"), s.TokenID)
		}
	}
}
