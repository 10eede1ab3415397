package livyadmin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/ports"
)

// annHash is the bcrypt hash of annPassword.
const (
	annPassword = "secret-of-ann"
	annHash     = "$2a$04$B3Ba4mzwGf6axxeCWjyMmezRK7nyDjcjmJ2NUS5LsNbx80OSU3mfu"
)

// TestAPIOnASite serves the management API to a browser's user.
func TestAPIOnASite(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	console, open := ports.SpareAddress(t), ports.SpareAddress(t)
	s.Load(s.Config + fmt.Sprintf(`
http://%s {
	log
	basic_auth {
		ann %s
	}
	livy_health /healthz
	livy_api
	respond "not the API" 418
}
http://%s {
	livy_health /healthz
	livy_api
	livy_gateway
}
`, console, annHash, open))

	ask := func(site, method, path, body string, header http.Header, login bool) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequest(method, "http://"+site+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		maps.Copy(r.Header, header)
		if login {
			r.SetBasicAuth("ann", annPassword)
		}
		res, err := s.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(text)
	}
	const gateways = "/v1/workspaces/default/gateways"

	res, text := ask(console, "POST", gateways, `{"name":"from-a-site"}`, nil, true)
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("creating: %d %s", res.StatusCode, text)
	}
	res, text = ask(console, "GET", "/v1/audit?action=gateway.create&gateway=from-a-site", "", nil, true)
	var list api.AuditList
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Entries) != 1 {
		t.Fatalf("audit: %d %s", res.StatusCode, text)
	}
	if e := list.Entries[0]; e.Actor != "ann" || e.Address != "127.0.0.1" || e.Surface != "site" {
		t.Errorf("entry %+v", e)
	}
	if strings.Contains(text, annPassword) {
		t.Error("the audit has the password")
	}
	if res, _ = ask(console, "GET", "/elsewhere", "", nil, true); res.StatusCode != http.StatusTeapot {
		t.Errorf("another path is answered %d", res.StatusCode)
	}
	if res, _ = ask(console, "GET", gateways, "", nil, false); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a login: %d", res.StatusCode)
	}

	for _, tc := range []struct {
		name   string
		header http.Header
		body   string
		status int
	}{
		{"a page of another site", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}, "", 403},
		{"a page in an old browser", http.Header{"Origin": {"https://evil.example"}}, "", 403},
		{"a form", http.Header{"Content-Type": {"text/plain"}}, `{"name":"x"}`, 415},
		{"a page of this site", http.Header{"Origin": {"http://" + console}, "Sec-Fetch-Site": {"same-origin"}}, "", 202},
	} {
		res, text := ask(console, "POST", gateways+"/from-a-site/stop", tc.body, tc.header, true)
		if res.StatusCode != tc.status || res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %s %v", tc.name, res.StatusCode, text, res.Header)
		}
	}

	// A site without authentication.
	res, text = ask(open, "GET", gateways, "", nil, false)
	if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(text, "basic_auth") {
		t.Errorf("a site without authentication: %d %s", res.StatusCode, text)
	}
	res, text = ask(open, "POST", gateways, `{"name":"x"}`, http.Header{"X-Livy-Actor": {"root"}, "X-Acs-Spark-Livy-Token": {s.Token}}, true)
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a login that nobody checks: %d %s", res.StatusCode, text)
	}
	if res, _ = ask(open, "GET", caddytest.Prefix+"/sessions", "", http.Header{"X-Acs-Spark-Livy-Token": {s.Token}}, false); res.StatusCode != http.StatusOK {
		t.Errorf("the gateways beside it: %d", res.StatusCode)
	}

	// Health requires no login, and only shows what load balancers need.
	if res, text = ask(open, "GET", "/healthz", "", nil, false); res.StatusCode != http.StatusOK || strings.TrimSpace(text) != `{"live":true,"ready":true,"missing":[]}` {
		t.Errorf("health: %d %s", res.StatusCode, text)
	}
	s.Redis.SetError("LOADING nothing works")
	defer s.Redis.SetError("")
	s.Await(func() bool {
		res, text = ask(open, "GET", "/healthz", "", nil, false)
		return res.StatusCode == http.StatusServiceUnavailable
	})
	if strings.TrimSpace(text) != `{"live":true,"ready":false,"missing":["redis"]}` {
		t.Errorf("health without Redis: %s", text)
	}
}

// TestRefusalsAreInTheAudit sends one request of each kind of refusal that is audited.
func TestRefusalsAreInTheAudit(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	const wrong = "lctk-aaaaaaaaaaaaaaaa.not-a-secret-of-ours-0123456789"
	token := s.Token
	s.Token = wrong
	for range 3 {
		if r := s.Do("GET", "/sessions", ""); r.StatusCode != http.StatusUnauthorized {
			t.Fatalf("a wrong token: %d", r.StatusCode)
		}
	}
	s.Token = token
	if r := s.Do("POST", "/batches", `{"file":"file:/etc/passwd"}`); r.StatusCode != http.StatusBadRequest {
		t.Fatalf("a file that is not allowed: %d", r.StatusCode)
	}
	if r := s.Do("POST", "/batches", `nonsense`); r.StatusCode != http.StatusBadRequest {
		t.Fatalf("nonsense: %d", r.StatusCode)
	}
	var list api.AuditList
	s.Await(func() bool {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/v1/audit?outcome=refused", http.NoBody)
		core.InForce().API.Handler(func(*http.Request) gateway.Origin { return gateway.Origin{Actor: "admin"} }).ServeHTTP(w, r)
		text := w.Body.String()
		list = api.AuditList{}
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, wrong) || strings.Contains(text, token) {
			t.Error("the audit has a token")
		}
		return len(list.Entries) >= 2
	})
	if len(list.Entries) != 2 {
		t.Fatalf("%d refusals, want one for the token and one for the policy: %+v", len(list.Entries), list.Entries)
	}
	if e := list.Entries[0]; e.Action != "request.batch.create" || e.Actor != s.TokenID || !strings.HasPrefix(e.Detail, "policy: ") || e.Gateway != "default/etl" {
		t.Errorf("the policy's refusal is %+v", e)
	}
	if e := list.Entries[1]; !strings.HasPrefix(e.Detail, "token: ") || e.Address != "127.0.0.1" || e.Surface != "livy" {
		t.Errorf("the token's refusal is %+v", e)
	}
}
