package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestRefusals asks for what must be refused, and sees that none of it reaches Livy.
func TestRefusals(t *testing.T) {
	c, fake, _ := newFake(t)
	c.newGateway("other")
	good, foreign, revoked := c.newToken("etl"), c.newToken("other"), c.newToken("etl")
	(client{t, c.url("etl"), revoked.Token}).expect(http.StatusOK, "GET", "/sessions", nil, nil)
	c.livy("token", "revoke", "--gateway", "etl", revoked.ID)
	time.Sleep(time.Second) // what a revocation may take, and no more
	before := len(fake.received())

	tests := []struct {
		name   string
		token  string
		method string
		path   string
		status int
		msg    string // part of the reply's msg
	}{
		{"no token", "", "GET", "/sessions", 401, "token"},
		{"no token, a create", "", "POST", "/sessions", 401, "token"},
		{"not a token", "hello", "GET", "/sessions", 401, ""},
		{"a wrong secret", wrongSecret(good.Token), "GET", "/sessions", 401, ""},
		{"a revoked token", revoked.Token, "GET", "/sessions", 401, "revoked"},
		{"another gateway's token", foreign.Token, "GET", "/sessions", 403, ""},
		{"an unknown route", good.Token, "GET", "/metrics", 404, ""},
		{"Livy's own pages", good.Token, "GET", "/ui/", 404, ""},
		{"a wrong method", good.Token, "PUT", "/sessions", 405, ""},
		{"a path that tries to get out", good.Token, "GET", "/sessions/..%2f..%2fversion", 400, ""},
		{"a session that never was", good.Token, "GET", "/sessions/4711", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var body any
			if tt.method != "GET" {
				body = map[string]string{"kind": "pyspark"}
			}
			r := client{t, c.url("etl"), tt.token}.do(tt.method, tt.path, body)
			if r.status != tt.status {
				t.Fatalf("status %d, want %d: %s", r.status, tt.status, r.body)
			}
			if msg := r.msg(t); !strings.Contains(msg, tt.msg) {
				t.Errorf("msg %q, without %q", msg, tt.msg)
			}
			if got := r.header.Get("WWW-Authenticate"); (got != "") != (tt.status == 401) {
				t.Errorf("WWW-Authenticate is %q", got)
			}
			if got := r.header.Get("Allow"); (got != "") != (tt.status == 405) {
				t.Errorf("Allow is %q", got)
			}
			if got := r.header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
				t.Errorf("Content-Type is %q", got)
			}
		})
	}
	for _, dump := range fake.received()[before:] {
		if !strings.HasPrefix(string(dump), "GET /sessions/4711 ") && !background(dump) {
			t.Errorf("Livy received a refused request:\n%s", dump)
		}
	}

	t.Run("no such gateway", func(t *testing.T) {
		client{t, c.url("nobody"), good.Token}.expect(http.StatusNotFound, "GET", "/sessions", nil, nil)
	})
	t.Run("the site that is one gateway", func(t *testing.T) {
		cl := client{t, "http://" + c.etl, good.Token}
		cl.expect(http.StatusOK, "GET", "/sessions", nil, nil)
		cl.token = foreign.Token
		cl.expect(http.StatusForbidden, "GET", "/sessions", nil, nil)
	})
}

// TestExpiredToken lets a token expire by moving its expiry in Redis into the
// past, since the shortest life of a token is a day.
func TestExpiredToken(t *testing.T) {
	c, _, redis := newFake(t)
	tok := c.newToken("etl", "--expire-days", "1")
	cl := client{t, c.url("etl"), tok.Token}
	cl.expect(200, "GET", "/sessions", nil, nil)
	expire(t, redis, tok.ID)
	eventually(t, 2*time.Second, "the expired token being refused", func() bool {
		r := cl.do("GET", "/sessions", nil)
		return r.status == 401 && strings.Contains(r.msg(t), "expired")
	})
}

func expire(t testing.TB, redis *storetest.Server, tokenID string) {
	t.Helper()
	keys, _ := redis.MustDo("KEYS", "*token:"+tokenID).([]any)
	if len(keys) != 1 {
		t.Fatalf("the token has the keys %v", keys)
	}
	var row map[string]any
	if err := json.Unmarshal([]byte(redis.MustDo("HGET", keys[0], "doc").(string)), &row); err != nil {
		t.Fatal(err)
	}
	if row["expiresAt"] == nil {
		t.Fatalf("the token's row has no expiresAt: %v", row)
	}
	row["expiresAt"] = time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	redis.MustDo("HSET", keys[0], "doc", asJSON(t, row))
}

// background reports whether a request is one of the gateway's own: how it knows
// that Livy is well and what became of sessions.
func background(dump []byte) bool {
	for _, own := range []string{"GET /version ", "GET /sessions?", "GET /batches?", "GET /sessions ", "GET /batches "} {
		if strings.HasPrefix(string(dump), own) && strings.Contains(string(dump), "User-Agent: Go-http-client") {
			return !strings.Contains(string(dump), "X-Forwarded-For")
		}
	}
	return false
}

// TestOutages takes away what the gateway needs: the answer is a 503 with
// Retry-After, soon, and nothing is forwarded.
func TestOutages(t *testing.T) {
	c, fake, redis := newFake(t)
	cl := client{t, c.url("etl"), c.newToken("etl").Token}
	unused := client{t, c.url("etl"), c.newToken("etl").Token}
	cl.expect(http.StatusOK, "GET", "/sessions", nil, nil)
	// What an outage of Redis may cost a request: the wait for its return.
	const patience = 6 * time.Second
	// A token that Redis vouched for is good for less than a second.
	const vouched = time.Second

	t.Run("Redis is gone", func(t *testing.T) {
		redis.Kill()
		time.Sleep(vouched)
		refuses(t, cl, fake, "POST", patience)
		refuses(t, unused, fake, "GET", patience)
		// Polls go on for a minute with a token that was verified lately.
		client{t, cl.base, cl.token}.expect(http.StatusOK, "GET", "/sessions", nil, nil)
		redis.Restart()
		recovers(t, cl)
	})
	t.Run("Redis hangs", func(t *testing.T) {
		redis.Stop()
		defer redis.Cont()
		time.Sleep(vouched)
		refuses(t, cl, fake, "POST", patience)
		refuses(t, unused, fake, "GET", patience)
		redis.Cont()
		recovers(t, cl)
	})
	t.Run("the gateway is stopped", func(t *testing.T) {
		c.livy("gateway", "stop", "etl", "--wait")
		for _, method := range []string{"GET", "POST"} {
			if msg := refuses(t, cl, fake, method, 5*time.Second); !strings.Contains(msg, "stopped") {
				t.Errorf("msg %q does not say that the gateway is stopped", msg)
			}
		}
		c.livy("gateway", "start", "etl", "--wait")
		recovers(t, cl)
	})
	t.Run("Livy is gone", func(t *testing.T) {
		_ = fake.server.Listener.Close()
		fake.server.CloseClientConnections()
		for _, method := range []string{"GET", "POST"} {
			refuses(t, cl, fake, method, 5*time.Second)
		}
	})
}

// refuses expects a 503 within a limit, and that nothing reaches Livy; it
// returns the reply's message.
func refuses(t *testing.T, cl client, fake *fake, method string, limit time.Duration) (msg string) {
	t.Helper()
	cl.t = t
	before := len(fake.received())
	begin := time.Now()
	var body any
	if method == "POST" {
		body = map[string]string{"kind": "pyspark"}
	}
	r := cl.do(method, "/sessions", body)
	took := time.Since(begin)
	t.Logf("%s: %d after %v: %s", method, r.status, took.Round(time.Millisecond), r.body)
	if r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" || took > limit {
		t.Errorf("%s: status %d after %v, Retry-After %q: %s", method, r.status, took, r.header.Get("Retry-After"), r.body)
	}
	for _, dump := range fake.received()[before:] {
		if !background(dump) {
			t.Errorf("forwarded:\n%s", dump)
		}
	}
	return r.msg(t)
}

func recovers(t *testing.T, cl client) {
	t.Helper()
	cl.t = t
	eventually(t, 10*time.Second, "answers again", func() bool { return cl.do("GET", "/sessions", nil).status == 200 })
}

// TestRealLivyDies kills a real Livy under its gateway: an answer comes at once,
// and the gateway starts Livy again.
func TestRealLivyDies(t *testing.T) {
	onEachRuntime(t, func(t *testing.T, l live) {
		c, _, g := lightUp(t, l)
		cl := client{t, c.url("etl"), c.newToken("etl").Token}
		cl.expect(http.StatusOK, "GET", "/sessions", nil, nil)
		killLivy(t, l, g)
		begin := time.Now()
		r := cl.do("GET", "/sessions", nil)
		if r.status != http.StatusServiceUnavailable || time.Since(begin) > 5*time.Second {
			t.Errorf("status %d after %v, want 503 at once: %s", r.status, time.Since(begin), r.body)
		}
		eventually(t, 90*time.Second, "Livy started again", func() bool {
			now := c.show("etl")
			return now.Status.State == "Running" && now.Status.Instance != g.Status.Instance
		})
		recovers(t, cl)
	})
}

// TestReload reloads the configuration under load: no request is dropped, not
// even one that lasts longer than the reload.
func TestReload(t *testing.T) {
	c, fake, _ := newFake(t)
	cl := client{t, c.url("etl"), c.newToken("etl").Token}
	cl.expect(http.StatusCreated, "POST", "/sessions", map[string]string{"kind": "pyspark"}, nil)
	instance := c.show("etl").Status.Instance

	const slow = 20
	slowEnds, stop, polls := make(chan error, slow), make(chan struct{}), make(chan error, 4)
	for range slow { // these are in flight over all the reloads
		go func() {
			r, err := cl.try("POST", "/sessions/0/statements", map[string]string{"code": "1"})
			if err == nil && r.status != http.StatusCreated {
				err = fmt.Errorf("status %d: %s", r.status, r.body)
			}
			slowEnds <- err
		}()
	}
	for range slow {
		select {
		case <-fake.held:
		case <-time.After(20 * time.Second):
			t.Fatal("not all slow requests have reached Livy")
		}
	}
	// Each of those below keeps a connection. One that is opened at the moment in
	// which Caddy swaps its listeners can be reset before it is accepted, as with any
	// Caddy.
	before := httpClient.Transport
	httpClient.Transport = &http.Transport{MaxIdleConnsPerHost: slow + cap(polls)}
	defer func() { httpClient.Transport = before }()
	count := make(chan int, cap(polls))
	for range cap(polls) { // and these come and go
		go func() {
			n := 0
			for {
				select {
				case <-stop:
					count <- n
					polls <- nil
					return
				default:
				}
				r, err := cl.try("GET", "/sessions/0", nil)
				if err == nil && r.status != http.StatusOK {
					err = fmt.Errorf("status %d: %s", r.status, r.body)
				}
				if err != nil {
					count <- n
					polls <- err
					return
				}
				n++
			}
		}()
	}
	for range 3 {
		c.reload()
	}
	close(stop)
	total := 0
	for range cap(polls) {
		total += <-count
		if err := <-polls; err != nil {
			t.Errorf("a poll during the reloads: %v", err)
		}
	}
	if total < 100 {
		t.Errorf("only %d polls were made", total)
	}
	close(fake.hold)
	for range slow {
		if err := <-slowEnds; err != nil {
			t.Errorf("a request in flight over the reloads: %v", err)
		}
	}
	if now := c.show("etl").Status.Instance; now != instance {
		t.Errorf("instance %s after the reloads, %s before", now, instance)
	}
}

// wrongSecret is a token with another last letter.
func wrongSecret(token string) string {
	last := "x"
	if strings.HasSuffix(token, last) {
		last = "y"
	}
	return token[:len(token)-1] + last
}
