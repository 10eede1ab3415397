package livyhttp_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// mint creates a token of the site's gateway.
func mint(s *caddytest.Site, r tokens.CreateRequest) (*tokens.Token, string) {
	s.T.Helper()
	r.GatewayID, r.Name = s.Gateway.ID, new("test")
	token, secret, err := core.InForce().Tokens.Create(context.Background(), r)
	if err != nil {
		s.T.Fatal(err)
	}
	return token, secret
}

func TestScopes(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	s.Do("POST", "/sessions", `{"kind":"pyspark"}`)
	_, reader := mint(s, tokens.CreateRequest{Settings: tokens.Settings{Scopes: new([]tokens.Scope{tokens.ScopeRead})}})
	_, batches := mint(s, tokens.CreateRequest{Settings: tokens.Settings{Scopes: new([]tokens.Scope{tokens.ScopeBatches})}})
	_, admin := mint(s, tokens.CreateRequest{Settings: tokens.Settings{Scopes: new([]tokens.Scope{tokens.ScopeAdmin})}})
	_, elsewhere := mint(s, tokens.CreateRequest{Settings: tokens.Settings{CIDRs: new([]string{"10.1.0.0/16"})}})
	const session, batch = `{"kind":"pyspark"}`, `{"file":"file:/data/job.py"}`
	for _, tc := range []struct {
		name, secret, method, path, body string
		status                           int
	}{
		{"a reader lists", reader, "GET", "/sessions", "", 200},
		{"a reader creates", reader, "POST", "/sessions", session, 403},
		{"a reader deletes", reader, "DELETE", "/sessions/0", "", 403},
		{"batches only: list batches", batches, "GET", "/batches", "", 200},
		{"batches only: create one", batches, "POST", "/batches", batch, 201},
		{"batches only: list sessions", batches, "GET", "/sessions", "", 403},
		{"batches only: version", batches, "GET", "/version", "", 200},
		{"admin creates", admin, "POST", "/sessions", session, 201},
		{"another address", elsewhere, "GET", "/sessions", "", 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := s.Do(tc.method, tc.path, tc.body, tokens.Header+": "+tc.secret)
			if r.StatusCode != tc.status {
				t.Errorf("status %d, want %d: %s", r.StatusCode, tc.status, r.Text)
			}
			if tc.status == 403 && r.JSON(t).Reason == "" {
				t.Errorf("no reason: %s", r.Text)
			}
		})
	}
}

func TestTokensOwnQueueAndIdentity(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	_, own := mint(s, tokens.CreateRequest{Settings: tokens.Settings{Queue: new("root.mine"), Identity: new("alice")}})
	for _, secret := range []string{own, s.Token} {
		if r := s.Do("POST", "/sessions", `{"kind":"pyspark","proxyUser":"hdfs"}`, tokens.Header+": "+secret); r.StatusCode != 201 {
			t.Fatalf("%d %s", r.StatusCode, r.Text)
		}
	}
	sent := double.Requests("sessions")
	if string(sent[0]["queue"]) != `"root.mine"` || string(sent[0]["proxyUser"]) != `"alice"` {
		t.Errorf("with a token that has its own, Livy got queue %s and proxyUser %s", sent[0]["queue"], sent[0]["proxyUser"])
	}
	if string(sent[1]["queue"]) != `"root.etl"` || sent[1]["proxyUser"] != nil {
		t.Errorf("with a plain token, Livy got queue %s and proxyUser %s", sent[1]["queue"], sent[1]["proxyUser"])
	}
}

func TestTokensThatNoLongerWork(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	ctx := context.Background()
	shared := core.InForce()

	expired, expiredText := mint(s, tokens.CreateRequest{Settings: tokens.Settings{ExpireDays: new(1)}})
	row, err := shared.Store.Token(ctx, expired.ID)
	if err != nil {
		t.Fatal(err)
	}
	row.ExpiresAt = time.Now().Add(-time.Second)
	if err := shared.Store.UpdateToken(ctx, row, store.Write{}); err != nil {
		t.Fatal(err)
	}
	disabled, disabledText := mint(s, tokens.CreateRequest{})
	if _, err := shared.Tokens.Disable(ctx, gateway.Order{}, s.Gateway.ID, disabled.ID); err != nil {
		t.Fatal(err)
	}
	for reason, secret := range map[string]string{"expired": expiredText, "disabled": disabledText} {
		if r := s.Do("GET", "/sessions", "", tokens.Header+": "+secret); r.StatusCode != 401 || r.JSON(t).Reason != reason {
			t.Errorf("%s: %d %s", reason, r.StatusCode, r.Text)
		}
	}
}

func TestLDAPLoginIsPassedOn(t *testing.T) {
	livy := &seenHeaders{Handler: livytest.New()}
	s := caddytest.New(t, livy)
	ctx := context.Background()
	shared := core.InForce()
	g, err := shared.Manager.Create(ctx, control.CreateRequest{
		Spec: gateway.Spec{Name: "ldap", LivyConf: "livy.server.auth.type = ldap\n"}, Start: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.AwaitState("ldap", gateway.StateRunning)
	_, secret, err := shared.Tokens.Create(ctx, tokens.CreateRequest{GatewayID: g.ID, Settings: tokens.Settings{Name: new("test")}})
	if err != nil {
		t.Fatal(err)
	}
	login := "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:ldap-password"))
	asToken := "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+secret))
	url := func(name string) string {
		return "http://" + s.Address + "/api/v1/workspace/default/livycompute/" + name + "/batches"
	}
	if r := s.Do("GET", url("ldap"), "", tokens.Header+": "+secret, "Authorization: "+login); r.StatusCode != 200 {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	if !strings.Contains(livy.text.String(), login) {
		t.Error("the LDAP login did not reach Livy")
	}
	livy.text.Reset()
	if r := s.Do("GET", url("ldap"), "", tokens.Header+": ", "Authorization: "+asToken); r.StatusCode != 200 {
		t.Errorf("token as Basic password: %d %s", r.StatusCode, r.Text)
	}
	s.Do("GET", url("etl"), "", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("alice:"+s.Token)))
	if strings.Contains(livy.text.String(), "Authorization") {
		t.Errorf("a login that is not Livy's was passed on to it: %s", livy.text.String())
	}
}
