package api_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/upstream/static"
)

type client struct {
	t       *testing.T
	handler http.Handler
	header  http.Header // of the requests, besides the usual
	actor   string
	server  *api.Server
}

func newClient(t *testing.T) *client {
	t.Helper()
	s, _ := storetest.Mini(t)
	return newClientOn(t, s)
}

// newClientOn serves the API from a store, and looks at Livy servers often.
func newClientOn(t *testing.T, s *store.Store) *client {
	t.Helper()
	return newClientPolling(t, s, 20*time.Millisecond)
}

func newClientPolling(t *testing.T, s *store.Store, interval time.Duration) *client {
	t.Helper()
	livy := httptest.NewServer(livytest.New())
	t.Cleanup(livy.Close)
	log := zap.NewNop()
	runtime, err := static.New(log)
	if err != nil {
		t.Fatal(err)
	}
	service := tokens.New(s, tokens.Options{}, log)
	m := control.New(control.Options{
		Store: s, Runtime: runtime, Tokens: service, Logger: log,
		Ledger:       sessions.New(s, log, time.Now, rand.Reader),
		PollInterval: interval,
	})
	m.Configure(control.Settings{Settings: resolved.Settings{Catalog: gateway.Catalog{
		Engines: []gateway.Engine{{Name: "double", URL: livy.URL}}, Queues: []string{"root.etl", "root.adhoc"},
		Environments: []gateway.Environment{{
			Name: "analytics", Env: map[string]string{"PASSWORD": "secret"},
			Conf: map[string]string{"spark.hadoop.fs.s3a.secret.key": "planted", "spark.sql.shuffle.partitions": "8"},
		}},
		Fusion: []gateway.Fusion{{Name: "fast", Conf: map[string]string{"spark.plugin.password": "planted"}}},
	}}})
	m.Run()
	t.Cleanup(func() { m.Close(false) })
	keys := accesskeys.New(s, time.Now, log)
	sealer, err := accesskeys.NewSealer([]string{"a sealing key of at least 32 characters"})
	if err != nil {
		t.Fatal(err)
	}
	keys.Configure(sealer)
	server := &api.Server{Manager: m, Tokens: service, Store: s, AccessKeys: keys, Budgets: budgets.New(budgets.Options{Store: s, Logger: log, Gateways: m.Snapshot}), Logger: log}
	c := &client{t: t, actor: "tester", server: server}
	c.handler = server.Handler(func(*http.Request) gateway.Origin {
		return gateway.Origin{Actor: c.actor, Address: "192.0.2.1", Surface: "admin"}
	})
	return c
}

// do makes a call and decodes its reply into out, if that is not nil.
func (c *client) do(method, path, body string, status int, out any) http.Header {
	c.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	maps.Copy(r.Header, c.header)
	c.handler.ServeHTTP(w, r)
	if w.Code != status {
		c.t.Fatalf("%s %s: status %d, want %d: %s", method, path, w.Code, status, w.Body)
	}
	if status >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
		c.t.Errorf("%s %s: content type %q", method, path, w.Header().Get("Content-Type"))
	}
	if out != nil {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			c.t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
	return w.Header()
}

const base = "/v1/workspaces/default/gateways"

func (c *client) await(name string, state gateway.State) (g api.Gateway) {
	c.t.Helper()
	for range 3000 {
		if c.do("GET", base+"/"+name, "", 200, &g); g.Status.State == state {
			return g
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("gateway is %+v", g)
	return g
}

func TestGateways(t *testing.T) {
	c := newClient(t)
	var g api.Gateway
	c.do("POST", base, `{"name":"etl","queue":"root.etl","cpu":2}`, 201, &g)
	if g.CreatedBy != "tester" || g.Spec.CPU != 2 || g.Endpoint != "/api/v1/workspace/default/livycompute/etl" {
		t.Errorf("created %+v", g)
	}
	var p api.Problem
	c.do("POST", base, `{"name":"etl"}`, 409, &p)
	if p.Field != "name" || p.Kind != "conflict" {
		t.Errorf("problem %+v", p)
	}
	c.do("POST", base+"/etl/start", "", 202, nil)
	g = c.await("etl", gateway.StateRunning)
	if g.Status.LivyVersion != "0.8.0-incubating" {
		t.Errorf("running %+v", g.Status)
	}
	c.do("DELETE", base+"/etl", "", 409, nil)
	c.do("POST", base+"/"+g.ID+"/stop", "", 202, nil)
	c.await("etl", gateway.StateStopped)
	var list api.GatewayList
	c.do("GET", base, "", 200, &list)
	if len(list.Gateways) != 1 {
		t.Errorf("%d gateways", len(list.Gateways))
	}
	c.do("DELETE", base+"/etl", "", 204, nil)
	c.do("GET", base+"/etl", "", 404, nil)
}

func TestBadRequests(t *testing.T) {
	c := newClient(t)
	c.do("POST", base, `{"name":"etl"}`, 201, nil)
	for _, tc := range []struct {
		name, method, path, body string
		status                   int
		field                    string
	}{
		{"no body", "POST", base, "", 400, ""},
		{"not JSON", "POST", base, "name: etl", 400, ""},
		{"unknown field", "POST", base, `{"name":"a","colour":"red"}`, 400, ""},
		{"two objects", "POST", base, `{"name":"a"}{}`, 400, ""},
		{"wrong type", "POST", base, `{"name":1}`, 400, "name"},
		{"too large", "POST", base, `{"livyConf":"` + strings.Repeat("x", 2<<20) + `"}`, 413, ""},
		{"bad name", "POST", base, `{"name":"A"}`, 400, "name"},
		{"bad queue", "POST", base, `{"name":"a","queue":"root.evil"}`, 400, "queue"},
		{"bad workspace", "POST", "/v1/workspaces/A/gateways", `{"name":"a"}`, 400, "workspace"},
		{"bad rule", "POST", base, `{"name":"a","policyRules":"max\n"}`, 400, "policy.rules:1"},
		{"no such call", "GET", "/v1/nonsense", "", 404, ""},
		{"no such gateway", "GET", base + "/none", "", 404, ""},
		{"bad limit", "GET", base + "/etl/records?limit=0", "", 400, "limit"},
		{"bad lines", "GET", base + "/etl/logs?lines=x", "", 400, "lines"},
		{"bad kind", "POST", base + "/etl/policy/explain?kind=job", "{}", 400, "kind"},
		{"token without name", "POST", base + "/etl/tokens", `{}`, 400, "name"},
		{"token for no day", "POST", base + "/etl/tokens", `{"name":"a","expireDays":0}`, 400, "expireDays"},
		{"token with a bad scope", "POST", base + "/etl/tokens", `{"name":"a","scopes":["all"]}`, 400, "scopes"},
		{"token with a bad range", "POST", base + "/etl/tokens", `{"name":"a","cidrs":["10.0.0.0/99"]}`, 400, "cidrs"},
		{"token with a foreign queue", "POST", base + "/etl/tokens", `{"name":"a","queue":"root.evil"}`, 400, "queue"},
		{"token with a bad identity", "POST", base + "/etl/tokens", `{"name":"a","identity":"a b"}`, 400, "identity"},
		{"token too short", "POST", base + "/etl/tokens", `{"name":"a","token":"short"}`, 400, "token"},
		{"no such token", "POST", base + "/etl/tokens/lctk-none/disable", "", 404, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &client{t: t, handler: c.handler}
			var p api.Problem
			c.do(tc.method, tc.path, tc.body, tc.status, &p)
			if p.Field != tc.field || p.Detail == "" {
				t.Errorf("problem %+v, want field %q", p, tc.field)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	c := newClient(t)
	c.do("POST", base, `{"name":"etl"}`, 201, nil)
	const all = base + "/etl/tokens"
	var made api.NewToken
	h := c.do("POST", all, `{"name":"airflow","expireDays":90,"scopes":["batches"],"cidrs":["10.0.0.1"],"maxBatches":3}`, 201, &made)
	if made.Secret == "" || made.State != "active" || made.CreatedBy != "tester" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("created %+v, %v", made.Token, h)
	}
	one := all + "/" + made.ID
	var shown map[string]any
	c.do("GET", one, "", 200, &shown)
	if _, ok := shown["token"]; ok || strings.Contains(fmt.Sprint(shown), made.Secret) {
		t.Error("the secret is shown again")
	}
	if fmt.Sprint(shown["cidrs"]) != "[10.0.0.1/32]" || fmt.Sprint(shown["maxBatches"]) != "3" {
		t.Errorf("shown %v", shown)
	}
	var changed api.Token
	c.do("PATCH", one, `{"name":"airflow-2","requestsPerSecond":5,"scopes":[]}`, 200, &changed)
	if changed.Name != "airflow-2" || changed.RequestsPerSecond != 5 || changed.MaxBatches != 3 || len(changed.Scopes) != 0 {
		t.Errorf("changed %+v", changed.Token)
	}
	var again api.NewToken
	c.do("POST", one+"/reset", `{"overlapHours":24}`, 200, &again)
	if again.ID != made.ID || again.Secret == made.Secret || again.PreviousUntil.IsZero() {
		t.Errorf("reset %+v", again.Token)
	}
	c.do("POST", one+"/disable", "", 200, &changed)
	if changed.State != "disabled" {
		t.Errorf("state %q", changed.State)
	}
	c.do("POST", one+"/enable", "", 200, &changed)
	if changed.State != "active" {
		t.Errorf("state %q", changed.State)
	}
	c.do("POST", all, `{"name":"migrated","token":"a-secret-of-ours-from-before"}`, 201, &made)
	if made.Secret != "a-secret-of-ours-from-before" {
		t.Errorf("a supplied secret became another one")
	}
	c.do("DELETE", all+"/airflow-2", "", 204, nil) // by its name
	c.do("GET", one, "", 200, &changed)
	if changed.State != "revoked" || changed.RevokedAt.IsZero() {
		t.Errorf("a revoked token is shown as %+v", changed)
	}
	c.do("GET", all+"/airflow-2", "", 200, nil)
	c.do("PATCH", one, `{"name":"x"}`, 409, nil)
	c.do("DELETE", one, "", 204, nil)
	var list api.TokenList
	c.do("GET", all, "", 200, &list)
	if len(list.Tokens) != 1 || list.Tokens[0].Name != "migrated" {
		t.Errorf("list %+v", list)
	}
	c.do("GET", all+"?revoked=true", "", 200, &list)
	if list.Total != 2 || list.Tokens[1].ID != changed.ID || list.Tokens[1].State != "revoked" {
		t.Errorf("with revoked ones: %+v", list)
	}
	var p api.Problem
	c.do("POST", all, `{"name":"migrated"}`, 409, &p)
	if p.Field != "name" || !strings.Contains(p.Rule, "is the name of token "+list.Tokens[0].ID) {
		t.Errorf("a name that another token has: %+v", p)
	}
	c.do("POST", all, `{"name":"migrated","owner":"vera"}`, 201, nil)
	c.do("POST", all, `{"name":"airflow-3"}`, 201, &made)
	c.do("PATCH", all+"/"+made.ID, `{"name":"migrated"}`, 409, nil)
	c.do("PATCH", all+"/"+made.ID, `{"name":"airflow-3"}`, 200, nil)
	c.do("POST", all+"/migrated/disable", "", 409, &p)
	if !strings.Contains(p.Detail, `2 tokens have the name "migrated"`) {
		t.Errorf("which of two tokens: %+v", p)
	}
	c.do("GET", base+"/etl/records?token=none", "", 404, &p)
	c.do("GET", base+"/etl/records?token=airflow-2", "", 200, nil)
	var audit api.AuditList
	c.do("GET", "/v1/audit?action=token.revoke", "", 200, &audit)
	if len(audit.Entries) != 1 || audit.Entries[0].Gateway != "default/etl" {
		t.Errorf("the audit of the revocation: %+v", audit.Entries)
	}
}

// TestFiltersRefuseTypos: a filter that chooses nothing because it is mistyped is an error.
func TestFiltersRefuseTypos(t *testing.T) {
	c := newClient(t)
	c.do("POST", base, `{"name":"etl"}`, 201, nil)
	for path, field := range map[string]string{
		base + "/etl/records?state=runing":                                      "state",
		base + "/etl/records?from=2026-02-01&until=2026-01-31":                  "until",
		base + "/etl/records/export?state=foo":                                  "state",
		base + "/etl/usage?from=2026-02-01&until=2026-01-31":                    "until",
		"/v1/audit?action=foo":                                                  "action",
		"/v1/audit?action=token.revok":                                          "action",
		"/v1/audit?from=2026-02-01T00:00:00Z&until=2026-01-31T00:00:00%2B01:00": "until",
	} {
		var p api.Problem
		c.do("GET", path, "", 400, &p)
		if p.Field != field {
			t.Errorf("%s: %+v", path, p)
		}
	}
	for _, path := range []string{
		base + "/etl/records?state=live", base + "/etl/records?state=gone&from=2026-01-31", base + "/etl/usage?from=2026-01-31&until=2026-01-31",
		"/v1/audit?action=token", "/v1/audit?action=request.session.create", "/v1/audit?action=api",
	} {
		c.do("GET", path, "", 200, nil)
	}
}

func TestExplain(t *testing.T) {
	c := newClient(t)
	c.do("POST", base, `{"name":"etl","queue":"root.etl","sparkBlacklist":"spark.executor.memory\n",
		"policyRules":"max spark.driver.memory 2g lower\n","disabledRoutes":["session.job.*"]}`, 201, nil)
	var e struct {
		Body    map[string]any
		Report  struct{ Ignored, Forced, Lowered, Refused []map[string]string }
		Refusal *api.Problem
	}
	c.do("POST", base+"/etl/policy/explain?kind=session",
		`{"kind":"pyspark","executorMemory":"9g","driverMemory":"9g","queue":"mine"}`, 200, &e)
	if e.Body["queue"] != "root.etl" || e.Body["executorMemory"] != nil || e.Body["driverMemory"] != "2g" {
		t.Errorf("body %v", e.Body)
	}
	if len(e.Report.Ignored) != 1 || len(e.Report.Lowered) != 1 || e.Report.Lowered[0]["source"] != "policy.rules:1" {
		t.Errorf("report %+v", e.Report)
	}
	if e.Refusal != nil {
		t.Errorf("refusal %+v", e.Refusal)
	}
	c.do("POST", base+"/etl/policy/explain?kind=batch", `{"file":"file:/etc/passwd"}`, 200, &e)
	if e.Body != nil || e.Refusal == nil || e.Refusal.Field != "file" || len(e.Report.Refused) != 1 {
		t.Errorf("a refusal is explained as %+v", e)
	}
}
