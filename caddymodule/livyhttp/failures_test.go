package livyhttp_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestErrorRoutes checks that a site's handle_errors replaces some replies, and that the others
// are the same as without it.
func TestErrorRoutes(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	other := s.NewToken("reader", tokens.Settings{Scopes: &[]tokens.Scope{tokens.ScopeRead}})
	none, wrong := tokens.Header+": ", tokens.Header+": lctk-aaaaaaaaaaaaaaaa.not-a-secret-of-ours-0123456789"
	before := s.Do("POST", "/batches", `{"file":"file:/data/x.py"}`, other)
	if before.StatusCode != http.StatusForbidden {
		t.Fatalf("%d %s", before.StatusCode, before.Text)
	}
	s.Load(strings.Replace(s.Config, "	livy_gateway\n", `	livy_gateway
	handle_errors 401 {
		header X-Page "{err.status_code} {err.message}"
		rewrite /page/{err.status_code}
		respond "<p>log in: {path}, {err.status_text}</p>"
	}
	handle_errors 405 {
		respond 405
	}
	handle_errors 404 {
		error "page is broken" 500
	}
	handle_errors 503 {
		respond 503 {
			body "later"
			close
		}
	}
`, 1))
	for name, header := range map[string]string{"none": none, "wrong": wrong} {
		r := s.Do("GET", "/sessions?x="+s.Token, "", header)
		if r.StatusCode != 401 || r.Text != "<p>log in: /page/401, Unauthorized</p>" || !strings.HasPrefix(r.Header.Get("Www-Authenticate"), "Bearer ") {
			t.Errorf("%s token: %d %s %v", name, r.StatusCode, r.Text, r.Header)
		}
		if page := r.Header.Get("X-Page"); !strings.HasPrefix(page, "401 ") || len(page) < 8 || r.Header.Get("Content-Security-Policy") != "" {
			t.Errorf("%s token: %v", name, r.Header)
		}
	}
	if r := s.Do("HEAD", "/sessions", "", none); r.StatusCode != 401 || r.Text != "" || r.Header.Get("X-Page") == "" {
		t.Errorf("HEAD: %d %v", r.StatusCode, r.Header)
	}
	if r := s.Do("POST", "/batches", `{"file":"file:/data/x.py"}`, other); r.StatusCode != 403 || r.Text != before.Text || r.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("without an error route: %d %s %v, want %s", r.StatusCode, r.Text, r.Header, before.Text)
	}
	if r := s.Do("PUT", "/sessions", ""); r.StatusCode != 405 || r.JSON(t).Msg == "" || r.Header.Get("Allow") == "" {
		t.Errorf("an error route with the status and nothing else: %d %s %v", r.StatusCode, r.Text, r.Header)
	}
	if r := s.Do("GET", "/sessions/77", ""); r.StatusCode != 404 || r.JSON(t).Msg == "" {
		t.Errorf("an error route that fails: %d %s", r.StatusCode, r.Text)
	}
	if r := s.Do("GET", "http://"+s.Address+caddytest.Prefix+"/spark-ui/livy-none/", "", none); r.StatusCode != 401 || !strings.HasPrefix(r.Text, "<p>") {
		t.Errorf("a Spark UI: %d %s", r.StatusCode, r.Text)
	}
	if _, err := core.InForce().Manager.Stop(t.Context(), s.Gateway, gateway.By("test")); err != nil {
		t.Fatal(err)
	}
	s.AwaitState("etl", gateway.StateStopped)
	if r := s.Do("GET", "/sessions", ""); r.StatusCode != 503 || r.Text != "later" || r.Header.Get("Retry-After") == "" {
		t.Errorf("stopped: %d %s %v", r.StatusCode, r.Text, r.Header)
	}
	log := s.Logged()
	for what, secret := range map[string]string{"the token": s.Token, "the other token": strings.TrimPrefix(other, none)} {
		if at := strings.Index(log, secret); at >= 0 {
			t.Errorf("%s is in the log: ...%s", what, log[max(0, at-300):at])
		}
	}
	if !strings.Contains(log, `"msg":"rewrote request"`) {
		t.Error("the rewriting is not in the log: it is not at level DEBUG")
	}
}

// line returns the last entry with a message in the log.
func line(t *testing.T, s *caddytest.Site, message string) (last struct {
	Level, Logger, Msg, Error string
	Status                    int
},
) {
	t.Helper()
	for text := range strings.Lines(s.Logged()) {
		if strings.Contains(text, `"msg":"`+message+`"`) {
			if err := json.Unmarshal([]byte(text), &last); err != nil {
				t.Fatal(err)
			}
		}
	}
	return last
}

// TestLevels checks the log levels of errors.
func TestLevels(t *testing.T) {
	double := livytest.New()
	double.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/log") {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	s := caddytest.New(t, double)
	const failed, handled = "request not served", "handled request"
	if s.Do("GET", "/sessions/77", ""); line(t, s, failed).Level != "debug" || line(t, s, handled).Level != "info" {
		t.Errorf("a session that is not there: %+v", line(t, s, failed))
	}
	if r := s.Do("GET", "/sessions/0/log", ""); r.StatusCode != 503 || line(t, s, failed).Level != "warn" || line(t, s, handled).Level != "error" {
		t.Errorf("Livy breaks off: %d %+v", r.StatusCode, line(t, s, failed))
	}
	if _, err := core.InForce().Manager.Stop(t.Context(), s.Gateway, gateway.By("test")); err != nil {
		t.Fatal(err)
	}
	s.AwaitState("etl", gateway.StateStopped)
	if r := s.Do("GET", "/sessions", ""); r.StatusCode != 503 || line(t, s, failed).Level != "debug" || line(t, s, handled).Level != "info" {
		t.Errorf("a stopped gateway: %d %+v, %+v", r.StatusCode, line(t, s, failed), line(t, s, handled))
	}
	s.Redis.SetError("LOADING nothing works")
	defer s.Redis.SetError("")
	fresh := tokens.Header + ": lctk-aaaaaaaaaaaaaaaa.not-a-secret-of-ours-0123456789"
	if r := s.Do("GET", "/sessions", "", fresh); r.StatusCode != 503 || line(t, s, failed).Level != "warn" {
		t.Errorf("without Redis: %d %+v", r.StatusCode, line(t, s, failed))
	}
	// A client that leaves meanwhile is not an outage.
	before := core.InForce().Tokens.Stats().Unavailable
	r, err := http.NewRequest(http.MethodGet, "http://"+s.Address+caddytest.Prefix+"/sessions", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(tokens.Header, "lctk-bbbbbbbbbbbbbbbb.not-a-secret-of-ours-0123456789")
	impatient := &http.Client{Timeout: 20 * time.Millisecond}
	if _, err := impatient.Do(r); err == nil {
		t.Skip("the answer came at once")
	}
	s.Await(func() bool { return line(t, s, failed).Status == core.StatusClientGone })
	if got := line(t, s, failed); got.Level != "debug" || core.InForce().Tokens.Stats().Unavailable != before {
		t.Errorf("a client that left: %+v", got)
	}
}
