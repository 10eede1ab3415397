package managedapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

var attempt = tokens.Attempt{Method: http.MethodPost, RemoteAddr: "192.0.2.8"}

// adminToken makes a token that may manage its gateway.
func (w *world) adminToken(gatewayID string) string { return w.token(gatewayID, tokens.ScopeAdmin) }

func (w *world) token(gatewayID string, scopes ...tokens.Scope) string {
	w.t.Helper()
	_, secret, err := w.server.Tokens.Create(w.t.Context(), tokens.CreateRequest{
		GatewayID: gatewayID, By: gateway.Origin{Actor: "ann"}, Settings: tokens.Settings{Name: new("t"), Scopes: &scopes},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// bearer sends a request with the bearer credential.
func (w *world) bearer(secret, action, method, target, body string) reply {
	w.t.Helper()
	req := httptest.NewRequestWithContext(w.t.Context(), method, target, strings.NewReader(body))
	req.Header.Set(headerAction, action)
	req.Header.Set(headerVersion, Version)
	req.Header.Set(headerSignatureType, bearerType)
	req.Header.Set(headerBearer, secret)
	return w.serve(req, Arrived{URI: target, Host: testHost, Address: "192.0.2.8"})
}

// TestBadRequests are refused with the right status and code, change nothing, and are in the
// audit log.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	w, _ := newWorlds(t)
	id := w.create("etl")
	w.plant("lcak-disabled00000000", "the-disabled-secret", "admin", "*")
	if _, err := w.server.Keys.Disable(t.Context(), gateway.Order{}, "lcak-disabled00000000"); err != nil {
		t.Fatal(err)
	}
	start, target := "StartLivyCompute", computesPath+"/"+id+"/start"
	header := func(name, value string) func(*http.Request, *Arrived) {
		return func(r *http.Request, _ *Arrived) { r.Header.Set(name, value) }
	}
	unsigned := func(r *http.Request, _ *Arrived) { r.Header.Del("Authorization") }
	skew := func(d time.Duration) func() reply {
		return func() reply {
			w.offset = d
			defer func() { w.offset = 0 }()
			return w.ask(start, "POST", target, "")
		}
	}
	ask := func(action, method, target, body string, change ...func(*http.Request, *Arrived)) func() reply {
		return func() reply { return w.ask(action, method, target, body, change...) }
	}
	audited := make(map[string]bool)
	for _, tt := range []struct {
		name   string
		send   func() reply
		status int
		code   string
	}{
		{"unknown workspace", ask(start, "POST", strings.Replace(target, workspaceID, "w-ffffffffffffffff", 1), ""), 404, "WorkspaceNotExist"},
		{"a workspace by its name", ask(start, "POST", strings.Replace(target, workspaceID, "default", 1), ""), 404, "WorkspaceNotExist"},
		{"foreign region", ask(start, "POST", target+"?regionId=eu-central-1", ""), 400, "InvalidRegionId"},
		{"unknown action", ask("StartKyuubi", "POST", target, ""), 404, "InvalidAction.NotFound"},
		{"an action of another path", ask("StopLivyCompute", "POST", target, ""), 404, "InvalidAction.NotFound"},
		{"no such path", ask("ListKyuubi", "GET", "/api/v1/kyuubi/w-1", ""), 404, "InvalidAction.NotFound"},
		{"wrong method", ask(start, "GET", target, ""), 405, "UnsupportedHTTPMethod"},
		{"another version", ask(start, "POST", target, "", func(r *http.Request, a *Arrived) {
			r.Header.Set(headerVersion, "2024-01-01")
			signRequest(t, r, *a, vectorID, vectorSecret)
		}), 400, "InvalidVersion"},
		{"unknown parameter", ask(start, "POST", target+"?force=true", ""), 400, codeInvalid},
		{"a parameter twice", ask(start, "POST", target, "", func(_ *http.Request, a *Arrived) { a.URI += "?regionId=a&regionId=b" }), 400, codeInvalid},
		{"body over 1 MiB", ask(start, "POST", target, strings.Repeat(" ", 1<<20+1)), 413, "RequestEntityTooLarge"},
		{"unsigned", ask(start, "POST", target, "", unsigned), 401, "MissingAuthorization"},
		{"skewed by 16 minutes", skew(16 * time.Minute), 400, "InvalidTimeStamp.Expired"},
		{"late by 16 minutes", skew(-16 * time.Minute), 400, "InvalidTimeStamp.Expired"},
		{"signed for another host", ask(start, "POST", target, "", func(_ *http.Request, a *Arrived) { a.Host = "other.example.com" }), 400, codeMismatch},
		{"another body", ask(start, "POST", target, "", func(r *http.Request, _ *Arrived) {
			r.Body = http.NoBody
			r.Header.Set(headerBodyHash, strings.Repeat("0", 64))
		}), 400, codeMismatch},
		{"a date of another form", ask(start, "POST", target, "", header(headerDate, time.Now().Format(time.RFC1123))), 400, "InvalidTimeStamp.Format"},
		{"no nonce", ask(start, "POST", target, "", header(headerNonce, "")), 400, codeIncomplete},
		{"no such access key", func() reply { return w.askAs("lcak-none000000000000", vectorSecret, start, "POST", target, "") }, 404, "InvalidAccessKeyId.NotFound"},
		{"another secret", func() reply { return w.askAs(vectorID, "another", start, "POST", target, "") }, 400, codeMismatch},
		{"disabled access key", func() reply {
			return w.askAs("lcak-disabled00000000", "the-disabled-secret", start, "POST", target, "")
		}, 403, "InvalidAccessKeyId.Inactive"},
		{"HMAC-SHA1", ask(start, "POST", target, "", header("Authorization", "acs "+vectorID+":bm9uc2Vuc2U=")), 400, "UnsupportedSignatureMethod"},
		{"HMAC-SHA1 in the query", ask(start, "POST", target+"?SignatureMethod=HMAC-SHA1&Signature=x", "", unsigned), 400, "UnsupportedSignatureMethod"},
		{"temporary credentials", ask(start, "POST", target, "", header("X-Acs-Security-Token", "x")), 400, "InvalidSecurityToken"},
		{"two credentials", ask(start, "POST", target, "", header(headerBearer, "x")), 400, codeIncomplete},
		{"Basic", ask(start, "POST", target, "", header("Authorization", "Basic eDp5")), 400, codeIncomplete},
		{"a token without its type", ask(start, "POST", target, "", unsigned, header(headerBearer, w.adminToken(id))), 400, codeIncomplete},
		{"an unknown token", func() reply { return w.bearer("not-a-token-of-this-gateway", start, "POST", target, "") }, 401, "Unauthorized"},
		{"a token without the scope", func() reply { return w.bearer(w.token(id), start, "POST", target, "") }, 403, codeForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.send()
			if got.status != tt.status || got.Code != tt.code || got.Msg == "" {
				t.Errorf("%s; want %d %s", &got, tt.status, tt.code)
			}
			detail := start + ": " + tt.code + ": " + got.Msg
			if audited[detail] {
				return // equal refusals are counted, a minute later
			}
			audited[detail] = true
			select {
			case e := <-w.entry:
				if e.Action != "managed" || e.Surface != Surface || e.Address == "" || !strings.Contains(e.Detail, tt.code) {
					t.Errorf("audit entry %+v", e)
				}
			case <-time.After(10 * time.Second):
				t.Error("there is no audit entry")
			}
		})
	}
	if d := w.get(id); d.Status != "STOPPED" || d.StartTime != 0 {
		t.Errorf("the gateway was changed: %+v", d)
	}
}

// TestRoles: an access key may do what its role allows, in its workspaces.
func TestRoles(t *testing.T) {
	t.Parallel()
	w, _ := newWorlds(t)
	id := w.create("etl")
	one := computesPath + "/" + id
	for _, role := range []string{"viewer", "member", "operator", "admin"} {
		w.plant("lcak-"+role, "secret-of-"+role, role, "default")
	}
	w.plant("lcak-lab", "secret-of-lab", "admin", "lab")
	for _, tt := range []struct{ key, action, method, target, body, want string }{
		{"viewer", "ListLivyCompute", "GET", computesPath, "", "1000000"},
		{"viewer", "StartLivyCompute", "POST", one + "/start", "", codeForbidden},
		{"viewer", "CreateLivyComputeToken", "PUT", one + "/token", `{"name":"x"}`, codeForbidden},
		{"member", "StartLivyCompute", "POST", one + "/start", "", "1000000"},
		{"member", "StopLivyCompute", "POST", one + "/stop", "", codeForbidden},
		{"member", "CreateLivyComputeToken", "PUT", one + "/token", `{"name":"x"}`, "1000000"},
		{"member", "CreateLivyComputeToken", "PUT", one + "/token", `{"name":"x","token":"a-text-of-the-clients-choice"}`, codeForbidden},
		{"operator", "StopLivyCompute", "POST", one + "/stop", "", "1000000"},
		{"operator", "CreateLivyCompute", "PUT", computesPath, `{"name":"x"}`, codeForbidden},
		{"operator", "UpdateLivyCompute", "POST", one, `{"cpuLimit":"2"}`, codeForbidden},
		{"admin", "UpdateLivyCompute", "POST", one, `{"cpuLimit":"2"}`, "1000000"},
		{"lab", "GetLivyCompute", "GET", one, "", "WorkspaceNotExist"},
	} {
		if got := w.askAs("lcak-"+tt.key, "secret-of-"+tt.key, tt.action, tt.method, tt.target, tt.body); got.Code != tt.want {
			t.Errorf("%s %s: %s", tt.key, tt.action, &got)
		}
	}
}

// TestBearer: a token with the scope admin manages its gateway, and no other.
func TestBearer(t *testing.T) {
	t.Parallel()
	w, _ := newWorlds(t)
	mine, other := w.create("mine"), w.create("other")
	secret := w.adminToken(mine)
	if got := w.bearer(secret, "UpdateLivyCompute", "POST", computesPath+"/"+mine, `{"cpuLimit":"2"}`); got.status != 200 {
		t.Errorf("its gateway: %s", &got)
	}
	if got := w.bearer(secret, "GetLivyCompute", "GET", computesPath+"/mine", ""); got.status != 200 {
		t.Errorf("its gateway by name: %s", &got)
	}
	if got := w.bearer(secret, "ListLivyCompute", "GET", computesPath, ""); strings.Count(got.text, "computeId") != 1 || !strings.Contains(got.text, mine) {
		t.Errorf("the list: %s", &got)
	}
	for _, target := range []string{computesPath + "/" + other, computesPath + "/other"} {
		if got := w.bearer(secret, "GetLivyCompute", "GET", target, ""); got.status != 403 {
			t.Errorf("another gateway: %s", &got)
		}
	}
	if got := w.bearer(secret, "CreateLivyCompute", "PUT", computesPath, `{"name":"x"}`); got.status != 403 {
		t.Errorf("a new gateway: %s", &got)
	}
	// It was sent over and over; its text is nowhere.
	if strings.Contains(w.log.String(), secret) {
		t.Error("the token is in the log")
	}
}
