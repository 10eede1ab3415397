package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// site is the API as a site with roles serves it: requests come from the user that the
// header User names, in the groups of Groups.
func (c *client) site(self tokens.SelfService, grants ...access.Grant) *client {
	c.t.Helper()
	policy, err := access.New(grants)
	if err != nil {
		c.t.Fatal(err)
	}
	return &client{t: c.t, server: c.server, handler: c.server.HandlerFor(api.Surface{
		Policy: policy, SelfService: self,
		Caller: func(r *http.Request) api.Caller {
			return api.Caller{
				Origin: gateway.Origin{Actor: r.Header.Get("User"), Address: "192.0.2.9", Surface: "site"},
				Groups: strings.Fields(r.Header.Get("Groups")),
			}
		},
	})}
}

// as makes the requests that follow come from a user.
func (c *client) as(user string, groups ...string) *client {
	other := *c
	other.header = http.Header{"User": {user}, "Groups": {strings.Join(groups, " ")}}
	return &other
}

func TestEveryRouteSaysItsRole(t *testing.T) {
	open := []string{"getHealth", "getDocument", "getMe"}
	for _, r := range api.Routes() {
		if (r.Access.Role == access.None) != slices.Contains(open, r.Name) {
			t.Errorf("%s needs the role %s: every route says which role it needs, and none only where anybody may make the call", r.Name, r.Access.Role)
		}
	}
}

// TestEveryRouteForEveryRole makes every call as everybody, of what is their own and of
// what is not.
func TestEveryRouteForEveryRole(t *testing.T) {
	s, _ := storetest.Mini(t)
	c := newClientOn(t, s)
	const w = "/v1/workspaces/w/gateways"
	var g api.Gateway
	c.do("POST", w, `{"name":"etl"}`, 201, &g)
	users := map[string][]access.Role{
		"viewer": {access.Viewer}, "member": {access.Member}, "operator": {access.Operator}, "admin": {access.Admin},
		"both": {access.Viewer, access.Member}, "stranger": nil, "elsewhere": nil,
	}
	grants := []access.Grant{{Workspace: "lab", Role: access.Admin, Users: []string{"elsewhere"}}}
	for user, roles := range users {
		for _, role := range roles {
			grants = append(grants, access.Grant{Workspace: "w", Role: role, Users: []string{user}})
		}
	}
	site := c.site(tokens.SelfService{}, grants...)
	now := time.Now().UTC()
	people := 0
	made := func(owner string) (token, record string) {
		var made api.NewToken
		people++
		c.do("POST", w+"/etl/tokens", fmt.Sprintf(`{"name":"x","owner":%q}`, owner), 201, &made)
		r := &store.Record{
			ID: "livy-of-" + owner, GatewayID: g.ID, Kind: "session", PublicID: int64(people), State: "success",
			Created: now, Updated: now, Ended: now, TokenID: made.ID,
		}
		if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, r); err != nil {
			t.Fatal(err)
		}
		return made.ID, r.ID
	}
	othersToken, othersRecord := made("someone")

	for user := range users {
		ownToken, ownRecord := made(user)
		for _, route := range api.Routes() {
			for _, own := range []bool{true, false} {
				token, record := othersToken, othersRecord
				if own {
					token, record = ownToken, ownRecord
				}
				path := strings.NewReplacer("{workspace}", "w", "{gateway}", "etl", "{token}", token, "{record}", record, "{environment}", "analytics").Replace(route.Path)
				reach := mustPolicy(t, grants).Of(access.Principal{User: user}).Reach(route.Access, "w")
				status, kind, detail := site.as(user).try(route.Method, path, route.Body != nil)
				if user == "elsewhere" && !route.InWorkspace() {
					reach = access.All // somewhere else; what it lists is another test's
				}
				var want []int
				switch {
				case reach == access.Nothing && route.InWorkspace() && users[user] == nil:
					want = []int{404}
				case reach == access.Nothing:
					want = []int{403}
				case strings.Contains(path, "{key}"): // there is none; TestAccessKeys has those that there are
					want = []int{404}
				case reach == access.Own && !own && (strings.Contains(path, token) || strings.Contains(path, record)):
					want = []int{404}
				default:
					// What is asked for is not right, so that nothing comes of it.
					want = []int{200, 201, 202, 204, 400, 409, 412}
				}
				if !slices.Contains(want, status) {
					t.Errorf("%s of %s (own %v): %d %s %s, want one of %d", route.Name, user, own, status, kind, detail, want)
				}
				if status == 404 && users[user] == nil && route.InWorkspace() && detail != `no workspace "w"` {
					t.Errorf("%s of %s tells that there is something: %s", route.Name, user, detail)
				}
			}
		}
	}
}

func mustPolicy(t *testing.T, grants []access.Grant) *access.Policy {
	t.Helper()
	p, err := access.New(grants)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// try makes a call that changes nothing, whoever may make it.
func (c *client) try(method, path string, body bool) (status int, kind, detail string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	if strings.HasSuffix(path, "/events") {
		cancel() // it would go on
	}
	defer cancel()
	text := ""
	if body {
		text = `{"name":""}`
	}
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("If-Match", `"999"`)
	maps.Copy(r.Header, c.header)
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	var p api.Problem
	if w.Code >= 400 {
		_ = json.Unmarshal(w.Body.Bytes(), &p)
	}
	return w.Code, p.Kind, p.Detail
}

// TestListsShowWhatOneMaySee looks at the lists over all workspaces.
func TestListsShowWhatOneMaySee(t *testing.T) {
	c := newClient(t)
	for _, w := range []string{"a", "b", "c"} {
		c.do("POST", "/v1/workspaces/"+w+"/gateways", `{"name":"etl","environment":"analytics"}`, 201, nil)
		c.do("POST", "/v1/workspaces/"+w+"/gateways/etl/tokens", `{"name":"x","owner":"bob"}`, 201, nil)
	}
	site := c.site(tokens.SelfService{},
		access.Grant{Workspace: "a", Role: access.Operator, Groups: []string{"ops"}},
		access.Grant{Workspace: "b", Role: access.Viewer, Users: []string{access.Everybody}},
		access.Grant{Workspace: access.Everywhere, Role: access.Admin, Users: []string{"root"}},
	)
	for _, tt := range []struct {
		user                      string
		groups                    []string
		gateways, audited, tokens int
	}{
		{"ann", []string{"ops"}, 2, 1, 1},
		{"bob", nil, 1, -1, -1},
		{"root", nil, 3, 3, 3},
	} {
		var list api.GatewayList
		site.as(tt.user, tt.groups...).do("GET", "/v1/gateways", "", 200, &list)
		if len(list.Gateways) != tt.gateways || list.Total != int64(tt.gateways) {
			t.Errorf("%s sees %d gateways of %d, want %d", tt.user, len(list.Gateways), list.Total, tt.gateways)
		}
		var e api.Environment
		site.as(tt.user, tt.groups...).do("GET", "/v1/environments/analytics", "", 200, &e)
		if len(e.UsedBy) != tt.gateways {
			t.Errorf("%s sees that %v use the environment", tt.user, e.UsedBy)
		}
		if tt.audited < 0 {
			site.as(tt.user).do("GET", "/v1/audit", "", 403, nil)
			site.as(tt.user).do("GET", "/v1/tokens", "", 403, nil)
			continue
		}
		var audit api.AuditList
		site.as(tt.user, tt.groups...).do("GET", "/v1/audit?action=token.create", "", 200, &audit)
		if len(audit.Entries) != tt.audited {
			t.Errorf("%s sees %d entries of the audit, want %d", tt.user, len(audit.Entries), tt.audited)
		}
		var all api.PlacedTokenList
		site.as(tt.user, tt.groups...).do("GET", "/v1/tokens", "", 200, &all)
		if len(all.Tokens) != tt.tokens || all.Total != int64(tt.tokens) {
			t.Errorf("%s sees %d tokens, want %d", tt.user, len(all.Tokens), tt.tokens)
		}
	}
}

func TestMe(t *testing.T) {
	c := newClient(t)
	site := c.site(tokens.SelfService{MaxLifetime: 48 * time.Hour, MaxTokens: 2, Scopes: []tokens.Scope{tokens.ScopeBatches}},
		access.Grant{Workspace: "a", Role: access.Member, Groups: []string{"team"}})
	for _, tt := range []struct {
		c    *client
		want string
	}{
		{site.as("ann", "team", "other"), `{"user":"ann","groups":["team","other"],"roles":[{"workspace":"a","role":"member"}],` +
			`"selfService":{"maxLifetime":"48h","maxTokens":2,"scopes":["batches"]},"rolesConfigured":true,"version":`},
		{site.as("bob"), `{"user":"bob","groups":[],"roles":[],`},
		{c, `{"user":"tester","groups":[],"roles":[{"workspace":"*","role":"admin"}],"selfService":{"maxLifetime":"720h","maxTokens":5,"scopes":["sessions","batches","read"]},"rolesConfigured":false,`},
	} {
		var got json.RawMessage
		tt.c.do("GET", "/v1/me", "", 200, &got)
		if !strings.HasPrefix(string(got), tt.want) {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// Settings that look like secrets are for those who can change them.
func TestSecretsOfGateways(t *testing.T) {
	c := newClient(t)
	const w = "/v1/workspaces/a/gateways"
	c.do("POST", w, `{"name":"etl","sparkDefaults":"spark.hadoop.fs.s3a.secret.key planted\nspark.executor.cores 2\n"}`, 201, nil)
	site := c.site(tokens.SelfService{},
		access.Grant{Workspace: "a", Role: access.Admin, Users: []string{"root"}}, access.Grant{Workspace: "a", Role: access.Operator, Users: []string{"olga"}},
		access.Grant{Workspace: "a", Role: access.Viewer, Users: []string{"vera"}})
	for user, shown := range map[string]bool{"root": true, "olga": false, "vera": false} {
		for _, path := range []string{w + "/etl", w, "/v1/gateways"} {
			var got json.RawMessage
			site.as(user).do("GET", path, "", 200, &got)
			if strings.Contains(string(got), "planted") != shown || !strings.Contains(string(got), "spark.executor.cores 2") {
				t.Errorf("%s to %s: %s", path, user, got)
			}
		}
	}
}
