package livyhttp_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// BenchmarkPoll is a poll of a session's state through all handlers and to the test double of
// Livy, but for the client's connection. It makes no call to Redis and logs nothing.
func BenchmarkPoll(b *testing.B) {
	s := caddytest.New(b, livytest.New())
	s.Load(quiet(s.Config))
	if r := s.Do("POST", "/sessions", `{"kind":"pyspark"}`); r.StatusCode != http.StatusCreated {
		b.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		b.Fatal(err)
	}
	var server *caddyhttp.Server
	for _, srv := range app.(*caddyhttp.App).Servers {
		if srv.Listen[0] == "127.0.0.1:"+portOf(s.Address) || srv.Listen[0] == ":"+portOf(s.Address) {
			server = srv
		}
	}
	if server == nil {
		b.Fatal("the site has no server")
	}
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "http://"+s.Address+caddytest.Prefix+"/sessions/0/state", http.NoBody)
		r.Header.Set(tokens.Header, s.Token)
		server.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}

// quiet is a configuration without logs.
func quiet(config string) string {
	return strings.NewReplacer("level DEBUG", "level ERROR", "\tlog\n", "").Replace(config)
}

func portOf(address string) string {
	_, port, _ := strings.Cut(address, ":")
	return port
}
