package livyhttp_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// requestLines records the request lines that arrive, unchanged.
type requestLines struct {
	mu    sync.Mutex
	lines map[string]http.Header
}

func (s *requestLines) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.lines[r.Method+" "+r.RequestURI] = r.Header.Clone()
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/version":
		fmt.Fprint(w, `{"version":"0.8.0-incubating"}`)
	default:
		fmt.Fprint(w, `{"id":0,"from":0,"total":0,"sessions":[]}`)
	}
}

// TestOnlyCanonicalRequestLinesArrive sends thousands of mutated request lines, raw, and checks
// the request lines that Livy gets.
func TestOnlyCanonicalRequestLinesArrive(t *testing.T) {
	arrived := &requestLines{lines: make(map[string]http.Header)}
	s := caddytest.New(t, arrived)
	n := 4000
	if testing.Short() {
		n = 500
	}
	statuses := make(map[int]int)
	for _, line := range livytest.Mutations(7, n) {
		statuses[raw(s, line)]++
	}
	t.Logf("%d lines sent, answers by status: %v; %d different lines arrived", n, statuses, len(arrived.lines))
	if statuses[200] < n/20 || statuses[400] == 0 || statuses[404] == 0 || statuses[405] == 0 {
		t.Errorf("the mutations do not reach all answers: %v", statuses)
	}
	if statuses[500] > 0 {
		t.Errorf("%d lines were answered 500", statuses[500])
	}
	for line, header := range arrived.lines {
		method, uri, _ := strings.Cut(line, " ")
		path, query, _ := strings.Cut(uri, "?")
		req, err := livy.Match(method, path, query)
		if err != nil {
			t.Errorf("%q arrived, which is no route: %v", line, err)
			continue
		}
		if canonical, ok := req.UpstreamURI(0); !ok || canonical != uri || req.Method != method {
			t.Errorf("%q arrived, canonical is %q", line, req.Method+" "+canonical)
		}
		for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "Cookie", tokens.Header} {
			if header.Get(name) != "" {
				t.Errorf("%q arrived with %s", line, name)
			}
		}
	}
}

// raw sends a request line unchanged and returns the status, or 0 if there was no reply.
func raw(s *caddytest.Site, l livytest.Line) int {
	conn, err := net.Dial("tcp", s.Address)
	if err != nil {
		s.T.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s: %s\r\n", l.Method, caddytest.Prefix+l.Target, s.Address, tokens.Header, s.Token)
	if l.Header != "" {
		fmt.Fprintf(conn, "%s\r\n", l.Header)
	}
	body := ""
	if strings.EqualFold(l.Method, "POST") {
		body = `{"kind":"pyspark"}`
		if strings.Contains(l.Target, "batches") {
			body = `{"file":"/data/job.py"}`
		}
		fmt.Fprintf(conn, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	fmt.Fprintf(conn, "\r\n%s", body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}
