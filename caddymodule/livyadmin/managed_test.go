package livyadmin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/managedapi/managedtest"
	"github.com/livygateway/livygateway/internal/ports"
	"github.com/livygateway/livygateway/internal/tokens"
)

const managedSite = `
http://%s {
	log
	handle_path /cloud/* {
		livy_managed_api
		respond "not the API" 418
	}
	livy_managed_api {
		workspace w-1234567890abcdef default
		release "esr-4.3.0 (Spark 3.5.2, Scala 2.12)" double
		region cn-hangzhou
		endpoint gw.example.com
		endpoint_inner 10.0.0.5:8080
	}
	livy_gateway
}
`

// managed is a site with the API, and an access key.
type managed struct {
	*caddytest.Site
	address, id, secret string
}

// send signs a request, after change, and sends it.
func (m *managed) send(action, method, path, body string, change ...func(*http.Request)) caddytest.Reply {
	m.T.Helper()
	r, err := http.NewRequest(method, "http://"+m.address+path, strings.NewReader(body))
	if err != nil {
		m.T.Fatal(err)
	}
	managedtest.Sign(r, m.id, m.secret, action, body)
	for _, f := range change {
		f(r)
	}
	resp, err := m.Client.Do(r)
	if err != nil {
		m.T.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		m.T.Fatal(err)
	}
	return caddytest.Reply{Response: resp, Text: string(text)}
}

// withSealing returns the configuration with sealing keys, which are read from files.
func withSealing(t *testing.T, config string, texts ...string) string {
	t.Helper()
	option := "sealing_key"
	for i, text := range texts {
		name := filepath.Join(t.TempDir(), fmt.Sprint("seal", i))
		if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		option += " {file." + name + "}"
	}
	return strings.Replace(config, "livy {", "livy {\n"+option+"\n", 1)
}

const (
	firstSealing  = "the first sealing key of this test, which is long"
	secondSealing = "the second sealing key of this test, also long"
)

func newManaged(t *testing.T) *managed {
	t.Helper()
	s := caddytest.New(t, livytest.New())
	m := &managed{Site: s, address: ports.SpareAddress(t)}
	s.Config += fmt.Sprintf(managedSite, m.address)
	s.Load(withSealing(t, s.Config, firstSealing))
	key, secret, err := core.InForce().AccessKeys.Create(t.Context(), accesskeys.CreateRequest{
		Name: "scripts", Role: access.Admin, Workspaces: []string{"default"}, By: gateway.Origin{Actor: "ann"},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.id, m.secret = key.ID, secret
	return m
}

// TestManagedAPIOnASite serves the API over a connection, beside the gateways, with path and host
// as they arrived.
func TestManagedAPIOnASite(t *testing.T) {
	m := newManaged(t)
	const computes = "/api/interactive/v1/workspace/w-1234567890abcdef/livycompute"
	got := m.send("CreateLivyCompute", "PUT", computes+"?regionId=cn-hangzhou", `{"name":"by-sdk","displayReleaseVersion":"esr-4.3.0 (Spark 3.5.2, Scala 2.12)","enablePublic":true}`)
	var created struct {
		Data struct {
			LivyComputeID string `json:"livyComputeId"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(got.Text), &created); err != nil || created.Data.LivyComputeID == "" {
		t.Fatalf("%d %s", got.StatusCode, got.Text)
	}
	one := computes + "/" + created.Data.LivyComputeID
	got = m.send("GetLivyCompute", "GET", one, "")
	for _, want := range []string{`"endpoint":"gw.example.com/api/v1/workspace/default/livycompute/lc-`, `"endpointInner":"10.0.0.5:8080/api/v1`, `esr-4.3.0`, `"createdBy":"` + m.id} {
		if !strings.Contains(got.Text, want) {
			t.Errorf("%s does not contain %s", got.Text, want)
		}
	}

	// Below another path, workspaces have their own names.
	if got = m.send("ListLivyCompute", "GET", "/cloud/api/interactive/v1/workspace/default/livycompute", ""); got.StatusCode != 200 || !strings.Contains(got.Text, "by-sdk") {
		t.Errorf("below a path: %d %s", got.StatusCode, got.Text)
	}
	if got = m.send("StopLivyCompute", "POST", one+"/stop", "", func(r *http.Request) { r.URL.Path = one + "/start" }); !strings.Contains(got.Text, "SignatureDoesNotMatch") {
		t.Errorf("another path: %d %s", got.StatusCode, got.Text)
	}

	// Other requests go on.
	if got := m.Do("GET", "http://"+m.address+caddytest.Prefix+"/sessions", ""); got.StatusCode != 200 {
		t.Errorf("a request for a gateway: %d %s", got.StatusCode, got.Text)
	}
	if got := m.Do("GET", "http://"+m.address+"/cloud/else", ""); got.StatusCode != 418 {
		t.Errorf("another request: %d %s", got.StatusCode, got.Text)
	}

	// Nothing that is secret is in the log or in Redis, whether it was accepted or not.
	chosen := "a-text/of-the-clients-choice"
	m.NewToken("manager", tokens.Settings{Scopes: &[]tokens.Scope{tokens.ScopeAdmin}})
	_, admin, err := core.InForce().Tokens.Create(t.Context(), tokens.CreateRequest{
		GatewayID: m.Gateway.ID, Secret: chosen, Settings: tokens.Settings{Name: new("t"), Scopes: &[]tokens.Scope{tokens.ScopeAdmin}},
	})
	if err != nil {
		t.Fatal(err)
	}
	bearer := func(text string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del("Authorization")
			r.Header.Set("X-Acs-Signature-Type", "BEARERTOKEN")
			r.Header.Set("X-Acs-Bearer-Token", text)
		}
	}
	etl := computes + "/" + m.Gateway.ID
	if got := m.send("GetLivyCompute", "GET", etl, "", bearer(admin)); got.StatusCode != 200 {
		t.Errorf("bearer: %d %s", got.StatusCode, got.Text)
	}
	const wrong = "not-a-token-but-secret"
	if got := m.send("GetLivyCompute", "GET", etl, "", bearer(wrong)); got.StatusCode != 401 {
		t.Errorf("a wrong bearer: %d %s", got.StatusCode, got.Text)
	}
	if got := m.send("CreateLivyComputeToken", "PUT", etl+"/token", `{"name":"made"}`); got.StatusCode != 200 {
		t.Errorf("a token: %d %s", got.StatusCode, got.Text)
	}
	places := map[string]string{"the log": m.Logged(), "Redis": m.Redis.Dump()}
	if !strings.Contains(places["the log"], one) || !strings.Contains(places["Redis"], "token-text:") {
		t.Error("the search would prove nothing")
	}
	for place, text := range places {
		for _, secret := range []string{m.secret, m.secret[21:53], chosen, wrong, firstSealing} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s", secret, place)
			}
		}
	}
}

// TestSealingKeys replaces the key that seals secrets, by reloads.
func TestSealingKeys(t *testing.T) {
	m := newManaged(t)
	works := func() bool {
		got := m.send("ListLivyCompute", "GET", "/api/interactive/v1/workspace/w-1234567890abcdef/livycompute", "")
		return got.StatusCode == http.StatusOK
	}
	state := func() string {
		key, err := core.InForce().AccessKeys.Get(t.Context(), m.id)
		if err != nil {
			t.Fatal(err)
		}
		return key.State
	}
	sealed := func() string {
		row, err := core.InForce().Store.AccessKey(t.Context(), m.id)
		if err != nil {
			t.Fatal(err)
		}
		return row.Sealed
	}
	before := sealed()
	m.Load(withSealing(t, m.Config, firstSealing, secondSealing)) // all instances can open both
	if !works() {
		t.Error("with a second key, requests are refused")
	}
	m.Load(withSealing(t, m.Config, secondSealing, firstSealing))
	m.Await(func() bool { return sealed() != before })
	m.Load(withSealing(t, m.Config, secondSealing))
	if !works() || state() != accesskeys.Active {
		t.Error("after the change, requests are refused")
	}
	m.Load(withSealing(t, m.Config, "a third sealing key, which has sealed nothing"))
	if works() || state() != accesskeys.Unusable {
		t.Errorf("with a key that sealed nothing, the access key is %s", state())
	}
	m.Load(m.Config)
	if works() {
		t.Error("without a sealing key, requests are accepted")
	}
	if entries := m.Redis.Exists("livygw:access-keys"); !entries {
		t.Error("the access keys are gone")
	}
}

// validate adapts and validates a Caddyfile.
func validate(caddyfile string) error {
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		return err
	}
	var config caddy.Config
	if err := json.Unmarshal(adapted, &config); err != nil {
		return err
	}
	return caddy.Validate(&config)
}

// TestManagedAPIConfiguration has mistakes in the configuration.
func TestManagedAPIConfiguration(t *testing.T) {
	t.Setenv("SHORT_KEY", "short")
	for name, tt := range map[string]struct{ options, site, want string }{
		"a literal key":       {options: "sealing_key 0123456789012345678901234567890123456789", want: "must be a placeholder"},
		"a short key":         {options: "sealing_key {env.SHORT_KEY}", want: "at least 32 characters"},
		"a bad workspace":     {site: "workspace w-1 Not_A_Name", want: "workspace w-1"},
		"a workspace twice":   {site: "workspace w-1 a\nworkspace w-1 b", want: "given twice"},
		"no workspace's name": {site: "workspace w-1", want: "wrong argument count"},
		"no engine":           {site: "release esr-4.3.0", want: "wrong argument count"},
		"an unknown option":   {site: "colour red", want: `unknown option "colour"`},
		"an endpoint twice":   {site: "endpoint a\nendpoint b", want: "given twice"},
		"an argument":         {want: "wrong argument count"},
	} {
		t.Run(name, func(t *testing.T) {
			argument := ""
			if name == "an argument" {
				argument = "x"
			}
			err := validate(fmt.Sprintf("{\nadmin off\nauto_https off\nlivy {\nredis embedded\nruntime static\nengine e {\nurl http://127.0.0.1:1\n}\n%s\n}\n}\nhttp://127.0.0.1:%d {\nlivy_managed_api %s {\n%s\n}\n}\n",
				tt.options, 8998, argument, tt.site))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "0123456789") {
				t.Error("the error shows the key")
			}
		})
	}
}
