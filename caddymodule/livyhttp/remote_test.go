package livyhttp_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// knox is a proxy before a double of Livy: with TLS, a path, a login and a client certificate.
type knox struct {
	*httptest.Server
	dir string

	mu       sync.Mutex
	password string
	requests []string // what must not be there
}

const knoxPath = "/gateway/default/livy/v1"

func newKnox(t *testing.T, livyServer http.Handler) *knox {
	t.Helper()
	k := &knox{dir: t.TempDir(), password: "kn0x-secret"}
	k.Server = httptest.NewUnstartedServer(http.StripPrefix(knoxPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.mu.Lock()
		user, password, _ := r.BasicAuth()
		good := user == "etl" && password == k.password && r.Header.Get("X-Tenant") == "a-tenant"
		for name, values := range r.Header {
			k.requests = append(k.requests, name+": "+strings.Join(values, ","))
		}
		k.mu.Unlock()
		if !good {
			w.Header().Set("WWW-Authenticate", `Basic realm="knox"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		livyServer.ServeHTTP(knoxReply{w, r.Host}, r)
	})))
	k.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	k.StartTLS()
	t.Cleanup(k.Close)
	// The certificate that httptest has is the CA, the server's and the client's.
	pair := k.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"ca.pem": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, "key.pem": {Type: "PRIVATE KEY", Bytes: key},
	} {
		k.write(t, name, string(pem.EncodeToMemory(block)))
	}
	k.write(t, "password", k.password)
	return k
}

func (k *knox) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// engine is the engine "far" in a Caddyfile.
func (k *knox) engine() string {
	return fmt.Sprintf(`engine far {
	url %[1]s%[2]s
	user etl
	password {file.%[3]s/password}
	header X-Tenant a-tenant
	ca %[3]s/ca.pem
	cert %[3]s/ca.pem
	key %[3]s/key.pem
}
`, k.URL, knoxPath, k.dir)
}

// knoxReply makes Location absolute, as Knox does.
type knoxReply struct {
	http.ResponseWriter
	host string
}

func (w knoxReply) WriteHeader(status int) {
	if location := w.Header().Get("Location"); location != "" {
		w.Header().Set("Location", "https://"+w.host+knoxPath+location)
	}
	w.ResponseWriter.WriteHeader(status)
}

// TestServerBehindKnox: a Livy server behind HTTPS, a path and a login is used like any other, and
// its login stays between it and the gateway.
func TestServerBehindKnox(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	k := newKnox(t, double)
	s := caddytest.New(t, livytest.New())
	config := strings.Replace(s.Config, "\t\tlocal_dir", k.engine()+"\t\tlocal_dir", 1)
	s.Load(config)
	c := core.InForce()
	g, err := c.Manager.Create(t.Context(), control.CreateRequest{
		Spec: gateway.Spec{Name: "far", Engine: "far"}, Start: true, Origin: gateway.Origin{Actor: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.AwaitState("far", gateway.StateRunning)
	_, secret, err := c.Tokens.Create(t.Context(), tokens.CreateRequest{GatewayID: g.ID, Settings: tokens.Settings{Name: new("far")}})
	if err != nil {
		t.Fatal(err)
	}
	far := "http://" + s.Address + strings.TrimSuffix(caddytest.Prefix, "etl") + "far"
	do := func(method, path, body string) caddytest.Reply {
		t.Helper()
		return s.Do(method, far+path, body, tokens.Header+": "+secret, "X-Tenant: forged", "Authorization: Basic Zm9yZ2VkOng=")
	}
	r := do("POST", "/sessions", `{"kind":"pyspark"}`)
	if want := strings.TrimPrefix(far, "http://"+s.Address) + "/sessions/0"; r.StatusCode != 201 || r.Header.Get("Location") != want {
		t.Fatalf("create: %d %s, Location %q, want %q", r.StatusCode, r.Text, r.Header.Get("Location"), want)
	}
	double.SetState("sessions", 0, "idle")
	if r := do("POST", "/sessions/0/statements", `{"code":"1+1"}`); r.StatusCode != 201 || !strings.HasSuffix(r.Header.Get("Location"), "/far/sessions/0/statements/0") {
		t.Errorf("statement: %d %s, %q", r.StatusCode, r.Text, r.Header.Get("Location"))
	}
	for _, path := range []string{"/sessions/0", "/sessions/0/state", "/sessions/0/log?from=0", "/sessions", "/version"} {
		if r := do("GET", path, ""); r.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Text)
		}
	}
	// The gateway's own requests: closing by the API, and polls.
	rec, err := c.Store.Record(t.Context(), g.ID, "session", 0)
	if err != nil {
		t.Fatal(err)
	}
	now, err := c.Manager.Lookup("default", "far")
	if err != nil {
		t.Fatal(err)
	}
	if rec, err = c.Manager.CloseRecord(t.Context(), now.Gateway, rec, gateway.Origin{Actor: "ann"}); err != nil || rec.Live() {
		t.Errorf("closing: %+v, %v", rec, err)
	}

	// Another password there: nobody is asked for it, and a new one applies with the configuration.
	k.mu.Lock()
	k.password = "an0ther-secret"
	k.mu.Unlock()
	if r := do("GET", "/sessions", ""); r.StatusCode != 503 || r.Header.Get("WWW-Authenticate") != "" || !strings.Contains(r.Text, "refuses the login") {
		t.Errorf("a wrong login: %d %v %s", r.StatusCode, r.Header, r.Text)
	}
	if r := do("POST", "/sessions", `{}`); r.StatusCode != 503 {
		t.Errorf("a create with a wrong login: %d %s", r.StatusCode, r.Text)
	}
	k.write(t, "password", "an0ther-secret")
	s.Load(config)
	if r := do("GET", "/sessions", ""); r.StatusCode != 200 {
		t.Errorf("the new login: %d %s", r.StatusCode, r.Text)
	}
	if records, total, err := c.Store.Records(t.Context(), g.ID, store.RecordFilter{}, 0, 10); err != nil || total != 1 {
		t.Errorf("%d records, %v, %v", total, records, err)
	}

	// Another address: the login is not sent to the old one.
	s.Load(strings.Replace(config, knoxPath, "/elsewhere", 1))
	if r := do("GET", "/sessions", ""); r.StatusCode != 503 {
		t.Errorf("an address that is no more: %d %s", r.StatusCode, r.Text)
	}

	k.mu.Lock()
	for _, h := range k.requests {
		if strings.Contains(h, secret) || strings.Contains(h, "forged") || strings.Contains(h, "Zm9yZ2Vk") {
			t.Errorf("the server got %s", h)
		}
	}
	k.mu.Unlock()
	shown := httptest.NewRecorder()
	c.API.Handler(func(*http.Request) gateway.Origin { return gateway.Origin{Actor: "ann"} }).
		ServeHTTP(shown, httptest.NewRequest(http.MethodGet, "/v1/catalog", http.NoBody))
	if shown.Code != 200 {
		t.Errorf("the catalog: %d", shown.Code)
	}
	for where, text := range map[string]string{"the log": s.Logged(), "Redis": s.Redis.Dump(), "the API": shown.Body.String()} {
		for _, word := range []string{"kn0x-secret", "an0ther-secret", "a-tenant"} {
			if strings.Contains(text, word) {
				t.Errorf("%s has %s", where, word)
			}
		}
	}
}
