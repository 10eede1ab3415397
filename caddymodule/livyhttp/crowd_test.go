package livyhttp_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestManyConnections: clients that are connected and do nothing, and clients that stop in the middle
// of a create, cost memory only: others are answered, Livy hears nothing of them, and what they held
// is given back when they leave. LIVYGW_CONNECTIONS is the number of each (default 300).
func TestManyConnections(t *testing.T) {
	n := 300
	if text := os.Getenv("LIVYGW_CONNECTIONS"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	double := livytest.New()
	var creates atomic.Int64
	s := caddytest.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			creates.Add(1)
		}
		double.ServeHTTP(w, r)
	}))
	if r := s.Do("POST", "/sessions", `{}`); r.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	goroutines, memory := runtime.NumGoroutine(), inUse()
	poll := fmt.Sprintf("GET %s/sessions/0/state HTTP/1.1\r\nHost: %s\r\n%s: %s\r\n\r\n", caddytest.Prefix, s.Address, tokens.Header, s.Token)
	half := fmt.Sprintf("POST %s/batches HTTP/1.1\r\nHost: %s\r\n%s: %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"file\":",
		caddytest.Prefix, s.Address, tokens.Header, s.Token)
	var crowd []net.Conn
	for range n {
		idle, slow := dialSite(t, s), dialSite(t, s)
		if _, err := io.WriteString(idle, poll); err != nil {
			t.Fatal(err)
		}
		reply, err := http.ReadResponse(bufio.NewReader(idle), nil)
		if err != nil || reply.StatusCode != http.StatusOK {
			t.Fatalf("polling: %+v, %v", reply, err)
		}
		if _, err := io.WriteString(slow, half); err != nil {
			t.Fatal(err)
		}
		crowd = append(crowd, idle, slow)
	}
	if r := s.Do("GET", "/sessions/0", ""); r.StatusCode != http.StatusOK {
		t.Errorf("a poll among %d connections: %d %s", len(crowd), r.StatusCode, r.Text)
	}
	if got := creates.Load(); got != 1 {
		t.Errorf("Livy got %d creates, want 1", got)
	}
	t.Logf("%d bytes and %.1f goroutines for each connection", (inUse()-memory)/int64(len(crowd)),
		float64(runtime.NumGoroutine()-goroutines)/float64(len(crowd)))
	for _, conn := range crowd {
		conn.Close()
	}
	s.Await(func() bool { return runtime.NumGoroutine() <= goroutines+20 })
	if records := s.Records(store.RecordFilter{}); len(records) != 1 {
		t.Errorf("%d records, want 1", len(records))
	}
}

func dialSite(t *testing.T, s *caddytest.Site) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// inUse returns the memory in use, for the heap and for stacks.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
