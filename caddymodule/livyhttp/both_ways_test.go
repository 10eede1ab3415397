package livyhttp_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

// TestReverseProxy runs tests of requests once more with Caddy's reverse_proxy alone, since the
// others run with livy_direct before it.
func TestReverseProxy(t *testing.T) {
	caddytest.NoDirect = true
	t.Cleanup(func() { caddytest.NoDirect = false })
	for name, test := range map[string]func(*testing.T){
		"error routes": TestErrorRoutes, "levels": TestLevels, "Redis goes away": TestRedisGoesAwayDuringACreate,
		"a client leaves": TestAClientLeavesDuringACreate, "drivers decide": TestDriversDecide, "refusals": TestRefusals, "broken replies": TestBrokenReplies,
	} {
		t.Run(name, test)
	}
}

// TestBrokenReplies sends replies that no Livy server should send. They come from a double that
// has a working session 0.
func TestBrokenReplies(t *testing.T) {
	double := livytest.New()
	raw := ""
	double.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/log") {
			return false
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return true
		}
		defer conn.Close()
		_, _ = conn.Write([]byte(raw))
		return true
	}
	s := caddytest.New(t, double)
	if r := s.Do("POST", "/sessions", `{}`); r.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	for _, tt := range []struct {
		name, raw, body string
		status          int // 0: the client's connection is closed
	}{
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n{\"id\":0}", `{"id":0}`, 200},
		{"no length", "HTTP/1.1 200 OK\r\n\r\n{\"id\":0}", `{"id":0}`, 200},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"id\":0}\r\n0\r\n\r\n", `{"id":0}`, 200},
		{"interim", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"id\":0}", `{"id":0}`, 200},
		{"nothing", "", "", 503},
		{"half a header", "HTTP/1.1 200 OK\r\nConte", "", 503},
		{"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n{\"id\":0}", "", 0},
		{"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"id\":0}", "", 0},
		{"not HTTP", "+OK\r\n\r\n", "", 503},
	} {
		raw = tt.raw
		status, text, err := get(s, "/sessions/0/log")
		if (err != nil) != (tt.status == 0) || err == nil && (status != tt.status || tt.body != "" && text != tt.body) {
			t.Errorf("%s: %d %q, %v", tt.name, status, text, err)
		}
	}
}

// get sends a request on a connection of its own.
func get(s *caddytest.Site, path string) (status int, text string, err error) {
	r, err := http.NewRequest(http.MethodGet, "http://"+s.Address+caddytest.Prefix+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("X-Acs-Spark-Livy-Token", s.Token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	resp, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// TestSameRequests checks that Livy receives the same requests both ways.
func TestSameRequests(t *testing.T) {
	seen := map[bool][]string{}
	for _, without := range []bool{false, true} {
		caddytest.NoDirect = without
		var mu sync.Mutex
		double := livytest.New()
		s := caddytest.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Test") != "" {
				var lines []string
				for name, values := range r.Header {
					lines = append(lines, name+": "+strings.Join(values, "|"))
				}
				slices.Sort(lines)
				mu.Lock()
				seen[without] = append(seen[without],
					fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.ContentLength, " ", r.TransferEncoding, "\n", strings.Join(lines, "\n")))
				mu.Unlock()
			}
			double.ServeHTTP(w, r)
		}))
		for _, q := range [][3]string{
			{"GET", "/sessions?from=0&size=5"},
			{"HEAD", "/sessions"},
			{"POST", "/batches", `{"file":"local:/data/a.py","name":"same"}`},
			{"DELETE", "/batches/0"},
		} {
			r := s.Do(q[0], q[1], q[2], "X-Test: 1", "Via: 1.0 proxy", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: elsewhere",
				"Connection: X-Gone", "X-Gone: away", "Te: trailers, gzip", "Cookie: a=b", "Host: livy.example")
			if r.StatusCode >= 300 {
				t.Errorf("%v: %d %s", q, r.StatusCode, r.Text)
			}
			if via := r.Header["Via"]; len(via) != 1 || via[0] != "1.1 Caddy" || r.Header.Get("Server") != "" {
				t.Errorf("%v: the reply's header has Via %q, Server %q", q, via, r.Header.Get("Server"))
			}
		}
	}
	caddytest.NoDirect = false
	for i := range max(len(seen[true]), len(seen[false])) {
		if i >= len(seen[true]) || i >= len(seen[false]) {
			t.Fatalf("%d requests by reverse_proxy, %d by livy_direct", len(seen[true]), len(seen[false]))
		}
		proxied, direct := withoutOwn(seen[true][i]), withoutOwn(seen[false][i])
		if proxied != direct {
			t.Errorf("reverse_proxy sends\n%s\nlivy_direct sends\n%s", proxied, direct)
		}
	}
}

// withoutOwn removes what differs between two sites, and the Te: trailers of reverse_proxy, since
// livy_direct passes no trailers on.
func withoutOwn(request string) string {
	var lines []string
	for line := range strings.Lines(request) {
		if !strings.HasPrefix(line, "X-Forwarded-Host: 127.0.0.1") && !strings.HasPrefix(line, "Te: ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
