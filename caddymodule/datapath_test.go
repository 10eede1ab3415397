package caddymodule

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/tokens"
)

func TestRefusals(t *testing.T) {
	s := newSite(t, livytest.New())
	ctx := context.Background()
	core := current.Load()
	other, err := core.manager.Create(ctx, control.CreateRequest{Spec: gateway.Spec{Name: "other"}})
	if err != nil {
		t.Fatal(err)
	}
	_, foreign, err := core.tokens.Create(ctx, tokens.CreateRequest{GatewayID: other.ID, Settings: tokens.Settings{Name: new("foreign")}})
	if err != nil {
		t.Fatal(err)
	}
	revoked, revokedText, err := core.tokens.Create(ctx, tokens.CreateRequest{GatewayID: s.gateway.ID, Settings: tokens.Settings{Name: new("revoked")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := core.tokens.Revoke(ctx, gateway.Order{}, s.gateway.ID, revoked.ID); err != nil {
		t.Fatal(err)
	}
	header := tokens.Header + ": "
	for _, tc := range []struct {
		name, method, url, body string
		headers                 []string
		status                  int
		reason                  string
	}{
		{"no token", "GET", "/sessions", "", []string{header}, 401, "missing"},
		{"wrong token", "GET", "/sessions", "", []string{header + "lgw_nonsense"}, 401, "malformed"},
		{"revoked token", "GET", "/sessions", "", []string{header + revokedText}, 401, "revoked"},
		{"another gateway's token", "GET", "/sessions", "", []string{header + foreign}, 403, "wrong_gateway"},
		{"two tokens", "GET", "/sessions", "", []string{"Authorization: Bearer " + foreign}, 400, "ambiguous"},
		{"unknown route", "GET", "/metrics", "", nil, 404, ""},
		{"the root", "GET", "/", "", nil, 404, ""},
		{"wrong method", "PUT", "/sessions", "", nil, 405, ""},
		{"a trick in the path", "GET", "/sessions;x=y", "", nil, 400, ""},
		{"unknown gateway", "GET", "http://" + s.address + "/api/v1/workspace/default/livycompute/none/sessions", "", nil, 404, ""},
		{"unknown workspace", "GET", "http://" + s.address + "/api/v1/workspace/none/livycompute/etl/sessions", "", nil, 404, ""},
		{"no gateway in the path", "GET", "http://" + s.address + "/sessions", "", nil, 404, ""},
		{"not public", "GET", "http://" + s.public + prefix + "/sessions", "", nil, 404, ""},
		{"duplicate key", "POST", "/sessions", `{"kind":"pyspark","kind":"spark"}`, nil, 400, ""},
		{"unknown session", "GET", "/sessions/77", "", nil, 404, ""},
		{"unknown name", "GET", "/sessions/nobody", "", nil, 404, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := s.do(tc.method, tc.url, tc.body, tc.headers...)
			if r.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", r.StatusCode, tc.status, r.body)
			}
			v := r.json(t)
			if v.Msg == "" || v.Reason != tc.reason {
				t.Errorf("reply %s, want reason %q", r.body, tc.reason)
			}
			if tc.status == 405 && r.Header.Get("Allow") != "GET, HEAD, POST" {
				t.Errorf("Allow: %q", r.Header.Get("Allow"))
			}
			if tc.status == 401 && !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("WWW-Authenticate: %q", r.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestCreateIsRuledAndRecorded(t *testing.T) {
	double := livytest.New()
	s := newSite(t, double)
	r := s.do("POST", "/batches", `{"file":"file:/data/job.py","executorMemory":"3g","queue":"root.mine",
		"conf":{"spark.executor.memory":"2g","spark.ui.port":"1"}}`)
	if r.StatusCode != 201 {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	if got := r.Header.Get("Location"); got != prefix+"/batches/0" {
		t.Errorf("Location: %q", got)
	}
	if got := r.Header.Get(headerIgnored); !strings.Contains(got, "executorMemory") || !strings.Contains(got, "spark.executor.memory") {
		t.Errorf("%s: %q", headerIgnored, got)
	}
	if got := r.Header.Get(headerForced); !strings.Contains(got, "queue") {
		t.Errorf("%s: %q", headerForced, got)
	}
	sent := double.Requests("batches")[0]
	if string(sent["queue"]) != `"root.etl"` || sent["executorMemory"] != nil || strings.Contains(string(sent["conf"]), "executor.memory") {
		t.Errorf("Livy got %s", sent)
	}
	rec, err := current.Load().store.Record(context.Background(), s.gateway.ID, "batch", 0)
	if err != nil || rec.TokenID != s.tokenID || !strings.Contains(string(rec.Policy), "spark-blacklist.conf:1") {
		t.Errorf("record %+v, %v", rec, err)
	}
}

func TestIDsGoOnAfterARestartOfLivy(t *testing.T) {
	double := livytest.New()
	s := newSite(t, double)
	ctx := context.Background()
	s.do("POST", "/sessions", `{"kind":"pyspark"}`)
	s.do("POST", "/sessions", `{"kind":"pyspark"}`)

	m := current.Load().manager
	if _, err := m.Stop(ctx, s.gateway, gateway.By("test")); err != nil {
		t.Fatal(err)
	}
	s.awaitState("etl", gateway.StateStopped)
	if r := s.do("GET", "/sessions", ""); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" || !strings.Contains(r.body, "stopped") {
		t.Errorf("a stopped gateway answers %d %s", r.StatusCode, r.body)
	}
	double.Restart()
	if _, err := m.Start(ctx, s.gateway, gateway.By("test")); err != nil {
		t.Fatal(err)
	}
	s.awaitState("etl", gateway.StateRunning)

	r := s.do("POST", "/sessions", `{"kind":"spark","name":"mine"}`)
	if r.json(t).ID != 2 || r.Header.Get("Location") != prefix+"/sessions/2" {
		t.Errorf("the next session: %s, Location %q; want id 2", r.body, r.Header.Get("Location"))
	}
	for _, path := range []string{"/sessions/2", "/sessions/mine", "/sessions/2/state"} {
		if r := s.do("GET", path, ""); r.StatusCode != 200 || r.json(t).ID != 2 {
			t.Errorf("GET %s: %d %s", path, r.StatusCode, r.body)
		}
	}
	if r := s.do("GET", "/sessions", ""); !strings.Contains(r.body, `"id":2`) || strings.Contains(r.body, `"id":0`) {
		t.Errorf("list: %s", r.body)
	}
	if r := s.do("GET", "/sessions/1", ""); r.StatusCode != 404 {
		t.Errorf("a session of the former server: %d %s", r.StatusCode, r.body)
	}
	if r := s.do("DELETE", "/sessions/2", ""); r.StatusCode != 200 {
		t.Errorf("delete: %d %s", r.StatusCode, r.body)
	}
	rec, err := current.Load().store.Record(ctx, s.gateway.ID, "session", 2)
	if err != nil || rec.State != "killed" {
		t.Errorf("record after delete: %+v, %v", rec, err)
	}
}

func TestLivyAway(t *testing.T) {
	double := livytest.New()
	s := newSite(t, double)
	double.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/sessions/0" {
			return false
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
		return true
	}
	r := s.do("GET", "/sessions/0", "")
	if r.StatusCode != 503 || r.Header.Get("Retry-After") == "" || r.json(t).Msg == "" {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

// seenHeaders remembers all that Livy gets.
type seenHeaders struct {
	http.Handler
	mu   sync.Mutex
	text strings.Builder
}

func (h *seenHeaders) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	fmt.Fprintln(&h.text, r.RequestURI, r.Header)
	h.mu.Unlock()
	h.Handler.ServeHTTP(w, r)
}

func TestTheTokenGoesNowhere(t *testing.T) {
	livy := &seenHeaders{Handler: livytest.New()}
	s := newSite(t, livy)
	none := tokens.Header + ": "
	basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+s.token))
	for _, headers := range [][]string{nil, {none, "Authorization: Bearer " + s.token}, {none, basic}} {
		if r := s.do("GET", "/sessions", "", headers...); r.StatusCode != 200 {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
		s.do("GET", "/sessions/99", "", headers...)
		s.do("GET", "/metrics", "", headers...)
		s.do("POST", "/sessions", `{"nonsense":1}`, headers...)
	}
	s.do("POST", "/sessions", `{"kind":"pyspark"}`)
	twice, _ := http.NewRequest("GET", "http://"+s.address+prefix+"/sessions", nil)
	twice.Header[tokens.Header] = []string{"", s.token}
	if resp, err := s.client.Do(twice); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}

	encoded := base64.StdEncoding.EncodeToString([]byte("user:" + s.token))
	for where, text := range map[string]string{"Livy": livy.text.String(), "the log": s.logged()} {
		for _, secret := range []string{s.token, encoded} {
			if strings.Contains(text, secret) {
				t.Errorf("%s has the token", where)
			}
		}
	}
	if log := s.logged(); !strings.Contains(log, `"user_id":"`+s.tokenID) || !strings.Contains(log, "handled request") {
		t.Error("the access log does not name the token's id")
	}
	if !strings.Contains(livy.text.String(), "/sessions") {
		t.Error("Livy was not asked: this test shows nothing")
	}
}
