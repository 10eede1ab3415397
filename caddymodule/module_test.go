package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
	_ "github.com/caddyserver/caddy/v2/modules/metrics"

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/ports"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// site is a Caddy in this process, in front of a Livy double.
type site struct {
	t       *testing.T
	address string // of the site with all gateways
	public  string // of the public site
	log     string // file that Caddy logs to, everything at debug level
	config  string
	gateway *gateway.Gateway
	token   string
	tokenID string
	redis   *miniredis.Miniredis
	// client is the site's own: a connection of another site may be left in a
	// shared one, to the same port.
	client *http.Client
}

// A busy machine can keep an answer of the Redis in this process back for long.
func init() { redisPatience = storetest.Patience }

const prefix = "/api/v1/workspace/default/livycompute/etl"

// newSite starts Caddy with a gateway "etl" that runs, and a token for it.
// Only one can be there at a time: Caddy has one configuration.
func newSite(t *testing.T, livyServer http.Handler) *site {
	t.Helper()
	livy := httptest.NewServer(livyServer)
	t.Cleanup(livy.Close)
	_, redis := storetest.Mini(t)
	s := &site{
		t: t, address: ports.SpareAddress(t), public: ports.SpareAddress(t),
		log: filepath.Join(t.TempDir(), "caddy.log"), redis: redis,
		client: &http.Client{
			Transport:     &http.Transport{},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	s.config = fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	log {
		output file %s
		level DEBUG
	}
	livy {
		redis redis://%s/0
		runtime static
		engine double {
			url %s
		}
		local_dir /data
	}
}
http://%s {
	log
	livy_gateway
}
http://%s {
	log
	livy_gateway {
		public
	}
}
`, s.log, redis.Addr(), livy.URL, s.address, s.public)
	s.load(s.config)
	t.Cleanup(func() { _ = caddy.Stop() })

	ctx := context.Background()
	core := current.Load()
	g, err := core.manager.Create(ctx, control.CreateRequest{
		Spec:  gateway.Spec{Name: "etl", Queue: "root.etl", SparkBlacklist: "spark.executor.memory\n"},
		Start: true, Origin: gateway.Origin{Actor: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.gateway = g
	s.awaitState("etl", gateway.StateRunning)
	token, secret, err := core.tokens.Create(ctx, tokens.CreateRequest{GatewayID: g.ID, Settings: tokens.Settings{Name: new("test")}})
	if err != nil {
		t.Fatal(err)
	}
	s.token, s.tokenID = secret, token.ID
	return s
}

func (s *site) load(caddyfile string) {
	s.t.Helper()
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		s.t.Fatal(err)
	}
	s.awaitListeners()
	s.client.CloseIdleConnections()
}

// awaitListeners waits until nobody listens for the configuration before any more.
// Caddy ends those listeners in the background, and with them the connections that
// they have not yet taken.
func (s *site) awaitListeners() {
	s.t.Helper()
	for range 3000 {
		if listeners(s.address) <= 1 && listeners(s.public) <= 1 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatal("the listeners of the configuration before do not end")
}

// listeners counts the sockets that listen on an address's port; 0 where the system
// does not tell.
func listeners(address string) (n int) {
	_, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		lines, _ := os.ReadFile(table)
		for line := range strings.Lines(string(lines)) {
			// Number, local address, remote address, state.
			f := strings.Fields(line)
			if len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && f[3] == "0A" {
				n++
			}
		}
	}
	return n
}

func (s *site) awaitState(name string, state gateway.State) {
	s.t.Helper()
	for range 3000 {
		if e, err := current.Load().manager.Lookup("default", name); err == nil && e.Gateway.Status.State == state {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("gateway %s does not become %s", name, state)
}

// reply is what came back.
type reply struct {
	*http.Response
	body string
}

// do sends a request with the token; headers are "Name: value".
func (s *site) do(method, url, body string, headers ...string) reply {
	s.t.Helper()
	if strings.HasPrefix(url, "/") {
		url = "http://" + s.address + prefix + url
	}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set(tokens.Header, s.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if value == "" {
			req.Header.Del(name)
		} else {
			req.Header.Set(name, value)
		}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{resp, string(text)}
}

func (r reply) json(t *testing.T) (v struct {
	ID     int64
	Msg    string
	Reason string
},
) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%d %s: %v", r.StatusCode, r.body, err)
	}
	return v
}

func (s *site) logged() string {
	s.t.Helper()
	text, err := os.ReadFile(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}
