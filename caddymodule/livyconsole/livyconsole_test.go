package livyconsole

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// serve asks the handler as a user, "" for nobody. What goes on to the next handler is
// answered 418.
func serve(t *testing.T, c *Console, method, path, user string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	repl := caddy.NewEmptyReplacer()
	if user != "" {
		repl.Set("http.auth.user.id", user)
	}
	r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl))
	w := httptest.NewRecorder()
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusTeapot)
		return nil
	})
	if err := c.ServeHTTP(w, r, next); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(text)
}

func TestServes(t *testing.T) {
	c := &Console{Endpoint: "https://livy.example.com/"}
	if err := c.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		method, path, user string
		status             int
		want               string
	}{
		{"GET", "/", "ann", 200, `content="https://livy.example.com"`},
		{"GET", "/", "", 401, "livy_console"},
		{"GET", "/console/x/main.js", "", 401, "nobody is logged in"},
		{"GET", "/console/x/main.js", "ann", 404, "load the page again"},
		{"DELETE", "/", "ann", 405, ""},
		{"GET", "/v1/gateways", "ann", 418, ""},
		{"GET", "/v1/gateways", "", 418, ""},
		{"GET", "/favicon.ico", "ann", 418, ""},
	}
	for _, tt := range tests {
		res, text := serve(t, c, tt.method, tt.path, tt.user)
		if res.StatusCode != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("%s %s as %q: %d, %s", tt.method, tt.path, tt.user, res.StatusCode, text)
		}
		if tt.status != 418 && res.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s %s as %q: no Content-Security-Policy", tt.method, tt.path, tt.user)
		}
	}
}

// TestUser serves the page to whoever another placeholder names.
func TestUser(t *testing.T) {
	c := &Console{User: "{test.user}"}
	if err := c.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	for user, status := range map[string]int{"ann": 200, "": 401} {
		r := httptest.NewRequest("GET", "/", nil)
		repl := caddy.NewEmptyReplacer()
		repl.Set("test.user", user)
		w := httptest.NewRecorder()
		if err := c.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl)), nil); err != nil || w.Code != status {
			t.Errorf("%q: %d, %v", user, w.Code, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	tests := map[string]bool{
		"": true, "https://livy.example.com": true, "http://127.0.0.1:8998/": true, "https://example.com/livy": true,
		"livy.example.com": false, "ftp://x": false, "javascript:alert(1)": false, "https://": false, "https://u:p@x": false, "https://x/?a=b": false,
	}
	for address, ok := range tests {
		err := (&Console{Endpoint: address}).Provision(caddy.Context{})
		if public := (&Console{PublicEndpoint: address}).Provision(caddy.Context{}); (err == nil) != ok || (public == nil) != ok {
			t.Errorf("%q: %v, %v", address, err, public)
		}
	}
}
