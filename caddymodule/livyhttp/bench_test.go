package livyhttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/ports"
	"github.com/livygateway/livygateway/internal/tokens"
)

// BenchmarkPoll is a poll of a session's state through all handlers and to a server that answers
// with a constant, but for the client's connection. It makes no call to Redis and logs nothing.
// For comparison, "server" is Caddy's server with one handler, which answers at once. Caddy allocates
// one object for each handler; the directive livy_gateway sets up seven of them.
func BenchmarkPoll(b *testing.B) {
	double := livytest.New()
	double.Before = answerConstantly
	s := caddytest.New(b, double)
	if r := s.Do("POST", "/sessions", `{"kind":"pyspark"}`); r.StatusCode != http.StatusCreated {
		b.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	server := ports.SpareAddress(b)
	s.Load(quiet(s.Config) + fmt.Sprintf("http://%s {\nanswer\n}\n", server))
	for _, bb := range []struct{ name, address string }{
		{"server", server}, {"gateway", s.Address},
	} {
		b.Run(bb.name, func(b *testing.B) {
			srv := serverAt(b, bb.address)
			r := httptest.NewRequest(http.MethodGet, "http://"+bb.address+caddytest.Prefix+"/sessions/0/state", http.NoBody)
			original := *r.URL
			w := &discard{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				*r.URL = original
				r.Header.Set(tokens.Header, s.Token)
				w.status = 0
				clear(w.header)
				srv.ServeHTTP(w, r)
				if w.status != http.StatusOK {
					b.Fatal(w.status)
				}
			}
		})
	}
}

// answer is a handler that answers at once.
type answer struct{}

func init() {
	caddy.RegisterModule(answer{})
	httpcaddyfile.RegisterHandlerDirective("answer", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return answer{}, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("answer", httpcaddyfile.Before, "respond")
}

// CaddyModule returns the Caddy module information.
func (answer) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.answer", New: func() caddy.Module { return new(answer) }}
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (answer) ServeHTTP(w http.ResponseWriter, _ *http.Request, _ caddyhttp.Handler) error {
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(constantBytes)
	return err
}

var constantBytes = []byte(constantState)

const constantState = `{"id":0,"state":"starting"}`

// answerConstantly answers all requests on a connection on which a state was requested, without
// allocating anything.
func answerConstantly(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasSuffix(r.URL.Path, "/state") {
		return false
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	defer conn.Close()
	reply := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=utf-8\r\nContent-Length: %d\r\n\r\n%s",
		len(constantState), constantState)
	for in := make([]byte, 4<<10); err == nil; _, err = conn.Read(in) {
		if _, err := conn.Write(reply); err != nil {
			break
		}
	}
	return true
}

// serverAt returns the server that listens at an address.
func serverAt(b *testing.B, address string) *caddyhttp.Server {
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		b.Fatal(err)
	}
	for _, srv := range app.(*caddyhttp.App).Servers {
		if strings.HasSuffix(srv.Listen[0], ":"+portOf(address)) {
			return srv
		}
	}
	b.Fatal("the site has no server")
	return nil
}

// discard keeps the status of a reply only.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// quiet is a configuration without logs.
func quiet(config string) string {
	return strings.NewReplacer("level DEBUG", "level ERROR", "\tlog\n", "").Replace(config)
}

func portOf(address string) string {
	_, port, _ := strings.Cut(address, ":")
	return port
}
