// Package caddytest runs Caddy with a gateway inside the test process, in front of a test double
// of Livy.
package caddytest

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

	_ "github.com/livygateway/livygateway" // all modules
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/ports"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// Site is a Caddy in this process, in front of a test double of Livy.
type Site struct {
	T       testing.TB
	Address string // of the site with all gateways
	Public  string // of the public site
	Log     string // file that Caddy logs to, everything at debug level
	Config  string
	Gateway *gateway.Gateway
	Token   string
	TokenID string
	Redis   *miniredis.Miniredis
	// Client is not shared with other sites: a shared client may keep connections of another site
	// on the same port.
	Client *http.Client
}

// On a busy machine, replies of the Redis in this process may take long.
func init() {
	core.RedisPatience, core.CountInterval, core.BudgetInterval = storetest.Patience, time.Second, time.Second
}

// Prefix is the path of the gateway.
const Prefix = "/api/v1/workspace/default/livycompute/etl"

// New starts Caddy with a running gateway "etl", and a token for it. Only one Site can exist at a
// time, since Caddy has one configuration.
func New(t testing.TB, livyServer http.Handler) *Site {
	t.Helper()
	livy := httptest.NewServer(livyServer)
	t.Cleanup(livy.Close)
	_, redis := storetest.Mini(t)
	s := &Site{
		T: t, Address: ports.SpareAddress(t), Public: ports.SpareAddress(t),
		Log: filepath.Join(t.TempDir(), "caddy.log"), Redis: redis,
		Client: &http.Client{
			Transport:     &http.Transport{},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	s.Config = fmt.Sprintf(`{
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
`, s.Log, redis.Addr(), livy.URL, s.Address, s.Public)
	s.Load(s.Config)
	t.Cleanup(func() { _ = caddy.Stop() })

	ctx := context.Background()
	c := core.InForce()
	g, err := c.Manager.Create(ctx, control.CreateRequest{
		Spec:  gateway.Spec{Name: "etl", Queue: "root.etl", SparkBlacklist: "spark.executor.memory\n"},
		Start: true, Origin: gateway.Origin{Actor: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Gateway = g
	s.AwaitState("etl", gateway.StateRunning)
	token, secret, err := c.Tokens.Create(ctx, tokens.CreateRequest{GatewayID: g.ID, Settings: tokens.Settings{Name: new("test")}})
	if err != nil {
		t.Fatal(err)
	}
	s.Token, s.TokenID = secret, token.ID
	return s
}

// NoDirect leaves livy_direct out of configurations, so that reverse_proxy sends all requests.
var NoDirect bool

// Load replaces Caddy's configuration.
func (s *Site) Load(caddyfile string) {
	s.T.Helper()
	if NoDirect {
		caddyfile = strings.NewReplacer("\tlivy_gateway\n", "\tlivy_gateway {\n\t\tdirect off\n\t}\n",
			"\tlivy_gateway {\n", "\tlivy_gateway {\n\t\tdirect off\n").Replace(caddyfile)
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		s.T.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		s.T.Fatal(err)
	}
	s.awaitListeners()
	s.Client.CloseIdleConnections()
}

// awaitListeners waits until the listeners of the previous configuration are closed. Caddy closes
// them in the background, with the connections that they have not accepted yet.
func (s *Site) awaitListeners() {
	s.T.Helper()
	for range 3000 {
		if listeners(s.Address) <= 1 && listeners(s.Public) <= 1 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.T.Fatal("the listeners of the previous configuration are not closed")
}

// listeners counts the sockets that listen on an address's port, or 0 if the system has no such
// table.
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

// AwaitState waits until a gateway is in a state.
func (s *Site) AwaitState(name string, state gateway.State) {
	s.T.Helper()
	for range 3000 {
		if e, err := core.InForce().Manager.Lookup("default", name); err == nil && e.Gateway.Status.State == state {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.T.Fatalf("gateway %s does not become %s", name, state)
}

// Reply is the reply to a request.
type Reply struct {
	*http.Response
	Text string
}

// Do sends a request with the token. Headers are written as "Name: value".
func (s *Site) Do(method, url, body string, headers ...string) Reply {
	s.T.Helper()
	if strings.HasPrefix(url, "/") {
		url = "http://" + s.Address + Prefix + url
	}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		s.T.Fatal(err)
	}
	req.Header.Set(tokens.Header, s.Token)
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
	resp, err := s.Client.Do(req)
	if err != nil {
		s.T.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.T.Fatal(err)
	}
	return Reply{resp, string(text)}
}

// JSON parses a reply.
func (r Reply) JSON(t *testing.T) (v struct {
	ID     int64
	Msg    string
	Reason string
},
) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Text), &v); err != nil {
		t.Fatalf("%d %s: %v", r.StatusCode, r.Text, err)
	}
	return v
}

// Logged returns the log of Caddy.
func (s *Site) Logged() string {
	s.T.Helper()
	text, err := os.ReadFile(s.Log)
	if err != nil {
		s.T.Fatal(err)
	}
	return string(text)
}

// Manage sends a request about the gateway to the management API; path follows the gateway's own.
func (s *Site) Manage(method, path string, into any) (int, string) {
	s.T.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, strings.TrimSuffix("/v1/workspaces/default/gateways/etl/"+path, "/"), http.NoBody)
	core.InForce().API.Handler(func(*http.Request) gateway.Origin { return gateway.Origin{Actor: "ann"} }).ServeHTTP(w, r)
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			s.T.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	return w.Code, w.Body.String()
}

// NewToken creates a token, and returns the header to send it in.
func (s *Site) NewToken(name string, settings tokens.Settings) (header string) {
	s.T.Helper()
	settings.Name = &name
	_, secret, err := core.InForce().Tokens.Create(context.Background(), tokens.CreateRequest{GatewayID: s.Gateway.ID, Settings: settings})
	if err != nil {
		s.T.Fatal(err)
	}
	return tokens.Header + ": " + secret
}

// Records returns records of the gateway.
func (s *Site) Records(f store.RecordFilter) []*store.Record {
	s.T.Helper()
	got, _, err := core.InForce().Store.Records(context.Background(), s.Gateway.ID, f, 0, 1000)
	if err != nil {
		s.T.Fatal(err)
	}
	return got
}

// RecordOf returns the record with a public id.
func RecordOf(records []*store.Record, publicID int64) *store.Record {
	for _, r := range records {
		if r.PublicID == publicID {
			return r
		}
	}
	return &store.Record{}
}

// Respecify changes the gateway's settings, and waits until they apply to requests.
func (s *Site) Respecify(change func(*gateway.Spec)) {
	s.T.Helper()
	c := core.InForce()
	g, err := c.Store.Gateway(context.Background(), s.Gateway.ID)
	if err != nil {
		s.T.Fatal(err)
	}
	change(&g.Spec)
	if err := c.Store.SaveGateway(context.Background(), g, store.Write{}); err != nil {
		s.T.Fatal(err)
	}
	for range 3000 {
		if e, err := c.Manager.Lookup("default", "etl"); err == nil && e.Gateway.Revision >= g.Revision {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.T.Fatal("the change of the gateway does not arrive")
}

// Isolate makes the gateway isolated.
func (s *Site) Isolate() {
	s.T.Helper()
	s.Respecify(func(spec *gateway.Spec) { spec.Isolated = true })
}

// Await waits until a condition holds.
func (s *Site) Await(ok func() bool) {
	s.T.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.T.Fatal("the condition does not become true")
}
