package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy/wire"
)

// server answers the n-th request of the c-th connection, both counted from 0, with reply(c, n),
// and closes the connection after it if hangUp is true.
type server struct {
	net.Listener
	reply func(c, n int) (text string, hangUp bool)

	mu       sync.Mutex
	requests []string
	conns    []net.Conn
}

func serve(t *testing.T, reply func(c, n int) (string, bool)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l, reply: reply}
	t.Cleanup(func() { l.Close() })
	go func() {
		for c := 0; ; c++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			go s.talk(conn, c)
		}
	}()
	return s
}

func (s *server) talk(conn net.Conn, c int) {
	in := bufio.NewReader(conn)
	for n := 0; ; n++ {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.RequestURI+" "+string(body))
		s.mu.Unlock()
		text, hangUp := s.reply(c, n)
		_, _ = io.WriteString(conn, text)
		if hangUp {
			conn.Close()
			return
		}
	}
}

func (s *server) seen() (requests, connections int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests), len(s.conns)
}

func request(method, body string) *wire.Request {
	var h wire.Head
	h.Begin(nil, method, "/sessions", "livy")
	return &wire.Request{Method: method, Head: h.End(method, len(body)), Body: []byte(body), Wait: 30 * time.Second}
}

// do sends a request and returns the whole reply.
func do(ctx context.Context, p *wire.Pool, s *server, q *wire.Request) (status int, header http.Header, body string, err error) {
	r, err := p.Send(ctx, s.Addr().String(), q)
	if err != nil {
		return 0, nil, "", err
	}
	defer r.Close()
	header = make(http.Header)
	r.AddHeader(header, nil)
	var b bytes.Buffer
	err = r.CopyBody(&b, func() {})
	return r.Status, header, b.String(), err
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestReplies checks that each form of a reply is read like net/http reads it, and whether the
// connection is used for the next request.
func TestReplies(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 4<<10)
	for name, tt := range map[string]struct {
		method, reply string
		hangUp        bool
		status        int
		body, header  string // header is a line that must be there
		kept, fails   bool
	}{
		"simple":                  {reply: ok, status: 200, body: "ok", kept: true},
		"no reason phrase":        {reply: "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", kept: true},
		"empty":                   {reply: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200, kept: true},
		"long":                    {reply: "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + long, status: 200, body: long, kept: true},
		"small letters":           {reply: "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a:  b \r\n\r\nok", status: 200, body: "ok", header: "X-A: b", kept: true},
		"two values":              {reply: "HTTP/1.1 200 OK\r\nX-A: b\r\nX-A: c\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", header: "X-A: b|c", kept: true},
		"a line over two lines":   {reply: "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", header: "X-A: b c", kept: true},
		"says close":              {reply: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
		"names a header":          {reply: "HTTP/1.1 200 OK\r\nConnection: X-A\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", header: "X-A: ", kept: true},
		"chunked":                 {reply: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\nX-T: t\r\n\r\n", status: 200, body: "ok!", header: "Transfer-Encoding: ", kept: true},
		"no length":               {reply: "HTTP/1.1 200 OK\r\n\r\nok", hangUp: true, status: 200, body: "ok"},
		"HTTP/1.0":                {reply: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
		"HTTP/1.0, kept":          {reply: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", kept: true},
		"no content":              {method: "DELETE", reply: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, kept: true},
		"not modified":            {reply: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", status: 304, header: "Content-Length: 9", kept: true},
		"HEAD":                    {method: "HEAD", reply: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", status: 200, header: "Content-Length: 9", kept: true},
		"interim":                 {reply: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + ok, status: 200, body: "ok", kept: true},
		"more than asked for":     {reply: ok + ok, status: 200, body: "ok"},
		"a large header":          {reply: "HTTP/1.1 200 OK\r\nX-A: " + long + "\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", header: "X-A: " + long, kept: true},
		"too large a header":      {reply: "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat(long, 20) + "\r\n\r\n", fails: true},
		"another protocol":        {reply: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", fails: true},
		"endless interim":         {reply: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 30), fails: true},
		"not HTTP":                {reply: "SSH-2.0-OpenSSH_9.2\r\n\r\n", fails: true},
		"two lengths":             {reply: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", fails: true},
		"a signed length":         {reply: "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", fails: true},
		"broken off, length":      {reply: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", hangUp: true, fails: true},
		"broken off, long":        {reply: "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + long, hangUp: true, fails: true},
		"broken off, chunked":     {reply: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", hangUp: true, fails: true},
		"broken off, header":      {method: "POST", reply: "HTTP/1.1 200 OK\r\nContent-Le", hangUp: true, fails: true},
		"a length and chunks":     {reply: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", status: 200, body: "ok", header: "Content-Length: ", kept: true},
		"a name that is no token": {reply: "HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(c, n int) (string, bool) {
				if c == 0 && n == 0 {
					return tt.reply, tt.hangUp
				}
				return ok, false
			})
			method := tt.method
			if method == "" {
				method = "GET"
			}
			var p wire.Pool
			defer p.Close()
			status, header, body, err := do(t.Context(), &p, s, request(method, ""))
			if (err != nil) != tt.fails {
				t.Fatalf("error %v, want one: %v", err, tt.fails)
			}
			if !tt.fails && (status != tt.status || body != tt.body) {
				t.Errorf("%d %.60q, want %d %.60q", status, body, tt.status, tt.body)
			}
			if name, value, found := strings.Cut(tt.header, ": "); found && strings.Join(header[name], "|") != value {
				t.Errorf("%s is %.60q", name, header[name])
			}
			if header.Get("Connection") != "" {
				t.Errorf("the header has %v", header)
			}
			if _, _, _, err := do(t.Context(), &p, s, request("POST", "{}")); err != nil {
				t.Errorf("the next request: %v", err)
			}
			if _, connections := s.seen(); (connections == 1) != tt.kept {
				t.Errorf("%d connections", connections)
			}
		})
	}
}

// TestRepeating checks when a request is sent again on another connection.
func TestRepeating(t *testing.T) {
	for name, tt := range map[string]struct {
		method   string
		reply    string // instead of one to the second request, on a kept connection
		requests int    // that reach the server
		fails    bool
	}{
		"a read":                    {"GET", "", 3, false},
		"a read, half a reply":      {"GET", "HTTP/1.1 2", 2, true},
		"a create":                  {"POST", "", 2, true},
		"a deletion":                {"DELETE", "", 2, true},
		"a create, half a reply":    {"POST", "HTTP/1.1 201 Created\r\n", 2, true},
		"a read that never answers": {"GET", "hang", 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			block := make(chan struct{})
			s := serve(t, func(c, n int) (string, bool) {
				switch {
				case c == 0 && n == 1 && tt.reply == "hang":
					<-block
					return "", true
				case c == 0 && n == 1:
					return tt.reply, true
				}
				return ok, false
			})
			t.Cleanup(func() { close(block) })
			var p wire.Pool
			defer p.Close()
			if _, _, _, err := do(t.Context(), &p, s, request("GET", "")); err != nil {
				t.Fatal(err)
			}
			q := request(tt.method, "")
			if tt.reply == "hang" {
				q.Wait = 50 * time.Millisecond
			}
			_, _, _, err := do(t.Context(), &p, s, q)
			if (err != nil) != tt.fails || tt.reply == "hang" && !errors.Is(err, wire.ErrLate) {
				t.Errorf("error %v", err)
			}
			if requests, _ := s.seen(); requests != tt.requests {
				t.Errorf("%d requests, want %d", requests, tt.requests)
			}
		})
	}
}

// TestClosedWhileIdle checks that a request, even a create, is not sent on a connection that the
// server has closed, and that one whose time limit has passed is used.
func TestClosedWhileIdle(t *testing.T) {
	s := serve(t, func(c, _ int) (string, bool) { return ok, c == 0 })
	var p wire.Pool
	defer p.Close()
	for i := range 3 {
		q := request("POST", "{}")
		q.Wait = 300 * time.Millisecond
		if _, _, _, err := do(t.Context(), &p, s, q); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		time.Sleep(400 * time.Millisecond) // the server's end of the connection must arrive
	}
	if requests, connections := s.seen(); requests != 3 || connections != 2 {
		t.Errorf("%d requests on %d connections, want 3 on 2", requests, connections)
	}
}

// TestCancel ends the context at different times. The connection must be closed.
func TestCancel(t *testing.T) {
	for name, begin := range map[string]string{
		"at once": "", "before the reply": "", "in the header": "HTTP/1.1 200 OK\r\n",
		"in the body":   "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
		"in the chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(c, _ int) (string, bool) {
				if c == 0 {
					return begin, false
				}
				return ok, false
			})
			ctx, cancel := context.WithCancel(t.Context())
			var p wire.Pool
			defer p.Close()
			after := 50 * time.Millisecond
			if name == "at once" { // before the context is watched
				after = time.Millisecond
			}
			time.AfterFunc(after, cancel)
			if _, _, _, err := do(ctx, &p, s, request("GET", "")); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			s.mu.Lock()
			conn := s.conns[0]
			s.mu.Unlock()
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := conn.Read(make([]byte, 1)); errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the connection is open: %v", err)
			}
			if _, _, _, err := do(t.Context(), &p, s, request("GET", "")); err != nil {
				t.Errorf("the next request: %v", err)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	s := serve(t, nil)
	s.Close()
	var p wire.Pool
	_, err := p.Send(t.Context(), s.Addr().String(), request("POST", "{}"))
	if _, dial := errors.AsType[*wire.DialError](err); !dial {
		t.Errorf("error %v", err)
	}
}

// TestWriteFails: a reply that could not be passed on ends the connection.
func TestWriteFails(t *testing.T) {
	s := serve(t, func(int, int) (string, bool) { return ok, false })
	var p wire.Pool
	defer p.Close()
	r, err := p.Send(t.Context(), s.Addr().String(), request("GET", ""))
	if err != nil {
		t.Fatal(err)
	}
	broken, writer := io.Pipe()
	broken.Close()
	err = r.CopyBody(writer, func() {})
	r.Close()
	if _, ok := errors.AsType[*wire.WriteError](err); !ok {
		t.Errorf("error %v", err)
	}
	if _, _, _, err := do(t.Context(), &p, s, request("GET", "")); err != nil {
		t.Error(err)
	}
	if _, connections := s.seen(); connections != 2 {
		t.Errorf("%d connections, want 2", connections)
	}
}

func TestHead(t *testing.T) {
	var h wire.Head
	h.Begin(nil, "POST", "/sessions?a=b", "livy:8998")
	h.AddAll(http.Header{
		"Connection": {"X-Secret, close"}, "X-Secret": {"s"}, "Transfer-Encoding": {"chunked"}, "Content-Length": {"99"},
		"Expect": {"100-continue"}, "X-Omit": {"o"}, "X-A": {"b\r\nX-Smuggled: c"},
	}, func(name string) bool { return name == "X-Omit" })
	got := string(h.End("POST", 0))
	want := "POST /sessions?a=b HTTP/1.1\r\nHost: livy:8998\r\nX-A: b  X-Smuggled: c\r\nContent-Length: 0\r\n\r\n"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func BenchmarkPoll(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		in := make([]byte, 4096)
		for {
			if _, err := conn.Read(in); err != nil {
				return
			}
			_, _ = io.WriteString(conn, ok)
		}
	}()
	var p wire.Pool
	defer p.Close()
	q := request("GET", "")
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	header := make(http.Header)
	b.ReportAllocs()
	for b.Loop() {
		r, err := p.Send(ctx, l.Addr().String(), q)
		if err != nil {
			b.Fatal(err)
		}
		clear(header)
		r.AddHeader(header, nil)
		if err := r.CopyBody(io.Discard, nil); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}
