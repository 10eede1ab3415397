package livyadmin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy/forwardauth"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/ports"
)

// console asks the management API of a site.
type console struct {
	*caddytest.Site
	address string
	header  http.Header
}

// with returns the configuration of a site with roles and a console.
func with(s *caddytest.Site, roles, console string) string {
	return strings.Replace(s.Config, "livy {", "livy {\n"+roles+"\n", 1) + "\n" + console
}

func (c *console) ask(method, path, body string, into any) (int, string) {
	c.T.Helper()
	r, err := http.NewRequest(method, "http://"+c.address+path, strings.NewReader(body))
	if err != nil {
		c.T.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(r.Header, c.header)
	resp, err := c.Client.Do(r)
	if err != nil {
		c.T.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.T.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			c.T.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, text)
		}
	}
	return resp.StatusCode, string(text)
}

// as is the console with other headers.
func (c *console) as(headers ...string) *console {
	other := *c
	other.header = http.Header{}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		other.header.Add(name, value)
	}
	return &other
}

// me is who the API takes somebody for: user, groups and roles.
func (c *console) me() string {
	c.T.Helper()
	var me api.Me
	if status, text := c.ask("GET", "/v1/me", "", nil); status != http.StatusOK {
		return fmt.Sprint(status)
	} else if err := json.Unmarshal([]byte(text), &me); err != nil {
		c.T.Fatal(err)
	}
	return fmt.Sprintf("%s%v%v", me.User, me.Groups, me.Roles)
}

const testRoles = `roles {
	admin user ann group platform
	workspace default {
		member group team
	}
}`

// TestRolesOnASite has users of basic_auth do what they may, before and after a reload.
func TestRolesOnASite(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	c := &console{Site: s, address: ports.SpareAddress(t)}
	place := fmt.Sprintf("http://%s {\nbasic_auth {\nann %s\nvera %s\n}\nlivy_api\n}", c.address, annHash, annHash)
	s.Load(with(s, testRoles, place))
	login := func(user string) *console {
		r, _ := http.NewRequest("GET", "/", http.NoBody)
		r.SetBasicAuth(user, annPassword)
		return c.as("Authorization: " + r.Header.Get("Authorization"))
	}
	if got := login("ann").me(); got != "ann[][{* admin}]" {
		t.Errorf("ann is %s", got)
	}
	if status, text := login("ann").ask("POST", "/v1/workspaces/default/gateways", `{"name":"by-ann"}`, nil); status != 201 {
		t.Errorf("ann: %d %s", status, text)
	}
	if got := login("vera").me(); got != "vera[][]" {
		t.Errorf("vera is %s", got)
	}
	var p api.Problem
	if status, _ := login("vera").ask("GET", "/v1/workspaces/default/gateways", "", &p); status != 404 || p.Detail != `no workspace "default"` {
		t.Errorf("vera: %d %s", status, p.Detail)
	}

	// A reload gives and takes roles at once, and ends the streams that go by the old ones.
	stream := login("ann").follow()
	s.Load(with(s, "roles {\nworkspace default {\nviewer user vera\n}\n}", place))
	select {
	case <-stream:
	case <-time.After(10 * time.Second):
		t.Error("a stream of events goes on after a reload")
	}
	if got := login("vera").me(); got != "vera[][{default viewer}]" {
		t.Errorf("after the reload vera is %s", got)
	}
	if status, _ := login("vera").ask("POST", "/v1/workspaces/default/gateways/by-ann/start", "", &p); status != 403 ||
		p.Detail != `this requires the role member in workspace "default"; you are viewer` {
		t.Errorf("vera: %d %s", status, p.Detail)
	}
	if status, _ := login("ann").ask("GET", "/v1/gateways", "", nil); status != 403 {
		t.Errorf("after the reload ann: %d", status)
	}
	s.Await(func() bool {
		var list api.AuditList
		w := httptest.NewRecorder()
		core.InForce().API.Handler(func(*http.Request) gateway.Origin { return gateway.Origin{Actor: "admin"} }).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/audit?outcome=refused&actor=vera", http.NoBody))
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		return len(list.Entries) == 1 && list.Entries[0].Surface == "site" && strings.Contains(list.Entries[0].Detail, "role member")
	})
}

// follow opens a stream of events; the channel is closed with its end.
func (c *console) follow() <-chan struct{} {
	c.T.Helper()
	r, err := http.NewRequest("GET", "http://"+c.address+"/v1/events", http.NoBody)
	if err != nil {
		c.T.Fatal(err)
	}
	r.Header = c.header
	resp, err := c.Client.Do(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		c.T.Fatalf("following events: %v %v", resp, err)
	}
	c.T.Cleanup(func() { resp.Body.Close() })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, resp.Body)
	}()
	return ended
}

// TestRolesBehindForwardAuth has an authentication elsewhere say who somebody is.
func TestRolesBehindForwardAuth(t *testing.T) {
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Cookie") {
		case "session=ann":
			w.Header().Set("Remote-User", "ann")
		case "session=tom":
			w.Header().Set("Remote-User", "tom")
			w.Header().Set("Remote-Groups", "staff,team")
		case "session=bob": // in no group
			w.Header().Set("Remote-User", "bob")
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer portal.Close()
	s := caddytest.New(t, livytest.New())
	c := &console{Site: s, address: ports.SpareAddress(t)}
	s.Load(with(s, testRoles, fmt.Sprintf(`http://%s {
	forward_auth %s {
		uri /verify
	}
	livy_api {
		user {http.reverse_proxy.header.Remote-User}
		groups {http.reverse_proxy.header.Remote-Groups}
	}
}`, c.address, portal.Listener.Addr())))
	for _, tt := range []struct {
		headers []string
		want    string
	}{
		{[]string{"Cookie: session=ann"}, "ann[][{* admin}]"},
		{[]string{"Cookie: session=tom"}, "tom[staff team][{default member}]"},
		{[]string{"Cookie: session=bob", "Remote-Groups: platform", "Remote-User: ann"}, "bob[][]"},
		{[]string{"Cookie: session=tom", "Remote-Groups: platform"}, "tom[staff team][{default member}]"},
		{[]string{"Remote-User: ann"}, "401"},
	} {
		if got := c.as(tt.headers...).me(); got != tt.want {
			t.Errorf("%v is %s, want %s", tt.headers, got, tt.want)
		}
	}
}

// TestRolesFromHeadersOfProxies has a proxy in front say in headers who somebody is.
func TestRolesFromHeadersOfProxies(t *testing.T) {
	const headers = "user {header.Remote-User}\ngroups {header.Remote-Groups}\n"
	good := []string{"Remote-User: tom", "Remote-Groups: staff | team"}
	twice := []string{"Remote-User: tom", "Remote-Groups: platform", "Remote-Groups: team"}
	s := caddytest.New(t, livytest.New())
	for _, tt := range []struct {
		name, options, servers string
		headers                []string
		want                   string
	}{
		{"a proxy of the directive", headers + "trusted_proxies 127.0.0.0/8", "", good, "tom[staff team][{default member}]"},
		{"a proxy of Caddy's option", headers, "trusted_proxies static private_ranges", good, "tom[staff team][{default member}]"},
		{"no proxy of the directive, but of Caddy's option", headers + "trusted_proxies 192.0.2.0/24", "trusted_proxies static private_ranges", good, "401"},
		{"nobody is trusted", headers, "", good, "401"},
		{"a header twice", headers + "trusted_proxies private_ranges", "", twice, "tom[][]"},
		{"a user twice", headers + "trusted_proxies private_ranges", "", []string{"Remote-User: ann", "Remote-User: tom"}, "401"},
		{"no header", headers + "trusted_proxies private_ranges", "", nil, "401"},
		{"headers that the site does not name", "user {header.X-User}\ntrusted_proxies private_ranges", "", good, "401"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &console{Site: s, address: ports.SpareAddress(t)}
			config := with(s, testRoles, fmt.Sprintf("http://%s {\nlivy_api {\n%s\n}\n}", c.address, tt.options))
			s.Load(strings.Replace(config, "livy {", "servers {\n"+tt.servers+"\n}\nlivy {", 1))
			if got := c.as(tt.headers...).me(); got != tt.want {
				t.Errorf("is %s, want %s", got, tt.want)
			}
			var p api.Problem
			if tt.want == "401" {
				if c.as(tt.headers...).ask("GET", "/v1/me", "", &p); !strings.Contains(p.Detail, "trusted_proxies") {
					t.Errorf("refused with %q", p.Detail)
				}
			}
		})
	}
}

// What users make for themselves is bounded by the configuration, which a reload changes
// without making the core anew.
func TestSelfServiceOnASite(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	c := &console{Site: s, address: ports.SpareAddress(t)}
	place := fmt.Sprintf("http://%s {\nlivy_api {\nuser {header.U}\ngroups {header.G}\ntrusted_proxies private_ranges\n}\n}", c.address)
	bounds := func(most int) string {
		return fmt.Sprintf("%s\ntokens {\nself_service {\nmax_tokens %d\nscopes sessions\nmax_lifetime 2d\n}\n}", testRoles, most)
	}
	s.Load(with(s, bounds(1), place))
	before := core.InForce()
	tom := c.as("U: tom", "G: team")
	const all = "/v1/workspaces/default/gateways/etl/tokens"
	var made api.NewToken
	if status, text := tom.ask("POST", all, `{"name":"x"}`, &made); status != 201 || made.Owner != "tom" || made.Identity != "tom" {
		t.Fatalf("%d %s", status, text)
	}
	if life := time.Until(made.ExpiresAt); life > 48*time.Hour {
		t.Errorf("it lives %s", life)
	}
	if status, _ := tom.ask("POST", all, `{"name":"y"}`, nil); status != 409 {
		t.Errorf("a second of one: %d", status)
	}
	s.Load(with(s, bounds(2), place))
	if status, text := tom.ask("POST", all, `{"name":"y"}`, nil); status != 201 {
		t.Errorf("after the reload: %d %s", status, text)
	}
	if core.InForce() != before {
		t.Error("the reload made the core anew")
	}
	// Jobs of the token run as tom.
	s.Token = made.Secret
	if r := s.Do("POST", "/sessions", `{"kind":"pyspark"}`); r.StatusCode != 201 {
		t.Fatalf("a session of the token: %d %s", r.StatusCode, r.Text)
	}
	if status, text := tom.ask("GET", "/v1/records", "", nil); status != 200 || !strings.Contains(text, `"tokenId":"`+made.ID) {
		t.Errorf("tom's records: %d %s", status, text)
	}
	var list api.PlacedRecordList
	if status, _ := c.as("U: ann").ask("GET", "/v1/records", "", &list); status != 200 || len(list.Records) != 1 {
		t.Errorf("records: %d, %+v", status, list)
	}
}
