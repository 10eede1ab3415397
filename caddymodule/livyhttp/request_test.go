package livyhttp_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/tokens"
)

func TestRefusals(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	ctx := context.Background()
	shared := core.InForce()
	other, err := shared.Manager.Create(ctx, control.CreateRequest{Spec: gateway.Spec{Name: "other"}})
	if err != nil {
		t.Fatal(err)
	}
	_, foreign, err := shared.Tokens.Create(ctx, tokens.CreateRequest{GatewayID: other.ID, Settings: tokens.Settings{Name: new("foreign")}})
	if err != nil {
		t.Fatal(err)
	}
	revoked, revokedText, err := shared.Tokens.Create(ctx, tokens.CreateRequest{GatewayID: s.Gateway.ID, Settings: tokens.Settings{Name: new("revoked")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.Tokens.Revoke(ctx, gateway.Order{}, s.Gateway.ID, revoked.ID); err != nil {
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
		{"unknown gateway", "GET", "http://" + s.Address + "/api/v1/workspace/default/livycompute/none/sessions", "", nil, 404, ""},
		{"unknown workspace", "GET", "http://" + s.Address + "/api/v1/workspace/none/livycompute/etl/sessions", "", nil, 404, ""},
		{"no gateway in the path", "GET", "http://" + s.Address + "/sessions", "", nil, 404, ""},
		{"not public", "GET", "http://" + s.Public + caddytest.Prefix + "/sessions", "", nil, 404, ""},
		{"duplicate key", "POST", "/sessions", `{"kind":"pyspark","kind":"spark"}`, nil, 400, ""},
		{"unknown session", "GET", "/sessions/77", "", nil, 404, ""},
		{"unknown name", "GET", "/sessions/nobody", "", nil, 404, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := s.Do(tc.method, tc.url, tc.body, tc.headers...)
			if r.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", r.StatusCode, tc.status, r.Text)
			}
			v := r.JSON(t)
			if v.Msg == "" || v.Reason != tc.reason {
				t.Errorf("reply %s, want reason %q", r.Text, tc.reason)
			}
			if tc.status == 405 && r.Header.Get("Allow") != "GET, HEAD, POST" {
				t.Errorf("Allow: %q", r.Header.Get("Allow"))
			}
			challenges := r.Header.Values("WWW-Authenticate")
			if tc.status == 401 && (len(challenges) == 0 || !strings.HasPrefix(challenges[0], "Bearer ")) {
				t.Errorf("WWW-Authenticate: %q", challenges)
			}
			// Clients such as Livy's own send a password only when they are asked for one.
			asked := len(challenges) == 2 && strings.HasPrefix(challenges[1], "Basic ")
			if asked != (tc.reason == "missing") {
				t.Errorf("WWW-Authenticate: %q for reason %q", challenges, tc.reason)
			}
		})
	}
}

func TestCreateIsRuledAndRecorded(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	r := s.Do("POST", "/batches", `{"file":"file:/data/job.py","executorMemory":"3g","queue":"root.mine",
		"conf":{"spark.executor.memory":"2g","spark.ui.port":"1"}}`)
	if r.StatusCode != 201 {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	if got := r.Header.Get("Location"); got != caddytest.Prefix+"/batches/0" {
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
	rec, err := core.InForce().Store.Record(context.Background(), s.Gateway.ID, "batch", 0)
	if err != nil || rec.TokenID != s.TokenID || !strings.Contains(string(rec.Policy), "spark-blacklist.conf:1") {
		t.Errorf("record %+v, %v", rec, err)
	}
}

func TestIDsGoOnAfterARestartOfLivy(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	ctx := context.Background()
	s.Do("POST", "/sessions", `{"kind":"pyspark"}`)
	s.Do("POST", "/sessions", `{"kind":"pyspark"}`)

	m := core.InForce().Manager
	if _, err := m.Stop(ctx, s.Gateway, gateway.By("test")); err != nil {
		t.Fatal(err)
	}
	s.AwaitState("etl", gateway.StateStopped)
	if r := s.Do("GET", "/sessions", ""); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" || !strings.Contains(r.Text, "stopped") {
		t.Errorf("a stopped gateway: %d %s", r.StatusCode, r.Text)
	}
	double.Restart()
	if _, err := m.Start(ctx, s.Gateway, gateway.By("test")); err != nil {
		t.Fatal(err)
	}
	s.AwaitState("etl", gateway.StateRunning)

	r := s.Do("POST", "/sessions", `{"kind":"spark","name":"mine"}`)
	if r.JSON(t).ID != 2 || r.Header.Get("Location") != caddytest.Prefix+"/sessions/2" {
		t.Errorf("the next session: %s, Location %q; want id 2", r.Text, r.Header.Get("Location"))
	}
	for _, path := range []string{"/sessions/2", "/sessions/mine", "/sessions/2/state"} {
		if r := s.Do("GET", path, ""); r.StatusCode != 200 || r.JSON(t).ID != 2 {
			t.Errorf("GET %s: %d %s", path, r.StatusCode, r.Text)
		}
	}
	if r := s.Do("GET", "/sessions", ""); !strings.Contains(r.Text, `"id":2`) || strings.Contains(r.Text, `"id":0`) {
		t.Errorf("list: %s", r.Text)
	}
	if r := s.Do("GET", "/sessions/1", ""); r.StatusCode != 404 {
		t.Errorf("a session of the former server: %d %s", r.StatusCode, r.Text)
	}
	if r := s.Do("DELETE", "/sessions/2", ""); r.StatusCode != 200 {
		t.Errorf("delete: %d %s", r.StatusCode, r.Text)
	}
	rec, err := core.InForce().Store.Record(ctx, s.Gateway.ID, "session", 2)
	if err != nil || rec.State != "killed" {
		t.Errorf("record after delete: %+v, %v", rec, err)
	}
}

func TestLivyAway(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
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
	r := s.Do("GET", "/sessions/0", "")
	if r.StatusCode != 503 || r.Header.Get("Retry-After") == "" || r.JSON(t).Msg == "" {
		t.Errorf("%d %s", r.StatusCode, r.Text)
	}
}

// seenHeaders has all headers that Livy gets.
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
	s := caddytest.New(t, livy)
	none := tokens.Header + ": "
	basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+s.Token))
	for _, headers := range [][]string{nil, {none, "Authorization: Bearer " + s.Token}, {none, basic}} {
		if r := s.Do("GET", "/sessions", "", headers...); r.StatusCode != 200 {
			t.Fatalf("%d %s", r.StatusCode, r.Text)
		}
		s.Do("GET", "/sessions/99", "", headers...)
		s.Do("GET", "/metrics", "", headers...)
		s.Do("POST", "/sessions", `{"nonsense":1}`, headers...)
	}
	s.Do("POST", "/sessions", `{"kind":"pyspark"}`)
	twice, _ := http.NewRequest("GET", "http://"+s.Address+caddytest.Prefix+"/sessions", nil)
	twice.Header[tokens.Header] = []string{"", s.Token}
	if resp, err := s.Client.Do(twice); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}

	encoded := base64.StdEncoding.EncodeToString([]byte("user:" + s.Token))
	for where, text := range map[string]string{"Livy": livy.text.String(), "the log": s.Logged()} {
		for _, secret := range []string{s.Token, encoded} {
			if strings.Contains(text, secret) {
				t.Errorf("%s has the token", where)
			}
		}
	}
	if log := s.Logged(); !strings.Contains(log, `"user_id":"`+s.TokenID) || !strings.Contains(log, "handled request") {
		t.Error("the access log does not name the token's id")
	}
	if !strings.Contains(livy.text.String(), "/sessions") {
		t.Error("Livy was not asked: this test shows nothing")
	}
}
