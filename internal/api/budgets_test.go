package api_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestBudgetList checks how budgets are shown.
func TestBudgetList(t *testing.T) {
	f := newClient(t)
	f.server.Budgets.Configure(budgets.Settings{Budgets: []budgets.Budget{{
		Name: "nightly", Per: "gateway", Match: []string{"default/*"}, Period: "day", VCoreHours: budgets.Bounds{Soft: 1, Hard: 2},
	}}})
	var list api.BudgetList
	f.do("GET", "/v1/budgets", "", 200, &list)
	if len(list.Budgets) != 1 {
		t.Fatalf("%+v", list)
	}
	b := list.Budgets[0]
	if b.Name != "nightly" || b.OnExceed != "refuse" || b.VCoreHours.Hard != 2 || b.Reset.Sub(b.From) != 24*time.Hour || b.Used == nil ||
		len(b.Match) != 1 {
		t.Errorf("%+v", b)
	}
}

// TestWhoSeesWhoseUsage gives usage to users, tokens, gateways and two workspaces, and has
// everybody look at it: what is of the workspace lab is told to nobody of the workspace team.
func TestWhoSeesWhoseUsage(t *testing.T) {
	s, _ := storetest.Mini(t)
	c := newClientOn(t, s)
	c.server.Budgets = budgets.New(budgets.Options{
		Store: s, Logger: zap.NewNop(), Gateways: c.server.Manager.Snapshot,
		Tokens: func(ctx context.Context, gatewayIDs []string) (map[string]budgets.Token, error) {
			refs, err := s.TokenRefs(ctx, gatewayIDs)
			ids := make([]string, len(refs))
			for i, ref := range refs {
				ids[i] = ref.ID
			}
			list, _ := c.server.Tokens.ByID(ctx, ids)
			all := make(map[string]budgets.Token)
			for _, t := range list {
				all[t.ID] = budgets.Token{Name: t.Name, User: t.User(), GatewayID: t.GatewayID}
			}
			return all, err
		},
	})
	hard := budgets.Bounds{Hard: 10}
	c.server.Budgets.Configure(budgets.Settings{Budgets: []budgets.Budget{
		{Name: "people", Per: "user", Period: "month", VCoreHours: hard},
		{Name: "of-lee", Per: "user", Match: []string{"lee"}, Period: "month", VCoreHours: hard},
		{Name: "of-mia", Per: "user", Match: []string{"mia"}, Period: "month", VCoreHours: hard},
		{Name: "tokens", Per: "token", Match: []string{"mias-*", "others-*", "labs-*"}, Period: "month", VCoreHours: hard},
		{Name: "gateways", Per: "gateway", Match: []string{"team/*", "lab/*"}, Period: "month", VCoreHours: hard},
		{Name: "in-lab", Per: "gateway", Match: []string{"lab/*"}, Period: "month", VCoreHours: hard},
		{Name: "workspaces", Per: "workspace", Period: "month", VCoreHours: hard},
	}})
	now := time.Now().UTC()
	ids := make(map[string]string)
	for n, of := range []struct{ workspace, gateway, token, owner string }{
		{"team", "etl", "mias-own", "mia"}, {"team", "etl", "others-own", "otto"}, {"lab", "secret-etl", "labs-own", "lee"},
	} {
		path := "/v1/workspaces/" + of.workspace + "/gateways"
		if n != 1 {
			var g api.Gateway
			c.do("POST", path, fmt.Sprintf(`{"name":%q}`, of.gateway), 201, &g)
			ids[of.gateway] = g.ID
		}
		var made api.NewToken
		c.do("POST", path+"/"+of.gateway+"/tokens", fmt.Sprintf(`{"name":%q,"owner":%q}`, of.token, of.owner), 201, &made)
		ids[of.token] = made.ID
		for i, ended := range []time.Time{now, {}} { // one has ended, one lives
			r := &store.Record{
				ID: fmt.Sprintf("livy-%d-%d", n, i), GatewayID: ids[of.gateway], Workspace: of.workspace, Kind: "batch", Name: fmt.Sprint(n, i),
				PublicID: int64(2*n + i), LivyID: int64(2*n + i), State: "running", TokenID: made.ID, TokenName: of.token, User: of.owner,
				MilliCPU: 3600_000, Created: now.Add(-time.Second), Started: now.Add(-time.Second), Updated: now, Ended: ended,
			}
			if err := s.SaveRecords(t.Context(), store.Fence{}, r.GatewayID, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	site := c.site(tokens.SelfService{},
		access.Grant{Workspace: access.Everywhere, Role: access.Admin, Users: []string{"root"}},
		access.Grant{Workspace: "team", Role: access.Operator, Users: []string{"oper"}},
		access.Grant{Workspace: "team", Role: access.Viewer, Users: []string{"vera"}},
		access.Grant{Workspace: "team", Role: access.Member, Users: []string{"mia"}},
		access.Grant{Workspace: "lab", Role: access.Member, Users: []string{"lee"}},
	)
	all := map[string]string{
		"user": "lee mia otto", "token": "labs-own mias-own others-own", "gateway": "lab/secret-etl team/etl", "workspace": "lab team",
	}
	team := map[string]string{"user": "mia otto", "token": "mias-own others-own", "gateway": "team/etl", "workspace": "team"}
	// Without a role in all workspaces, other users' budgets are not shown: they use several.
	seesTeam := map[string]string{"people": "", "tokens": "mias-own others-own", "gateways": "team/etl", "workspaces": "team"}
	for user, want := range map[string]struct{ usage, budgets map[string]string }{
		"root": {all, map[string]string{
			"people": "lee mia otto", "of-lee": "lee", "of-mia": "mia", "tokens": "labs-own mias-own others-own",
			"gateways": "lab/secret-etl team/etl", "in-lab": "lab/secret-etl", "workspaces": "lab team",
		}},
		"oper": {team, seesTeam},
		"vera": {team, seesTeam},
		"mia": {
			map[string]string{"user": "mia", "token": "mias-own", "gateway": "team/etl", "workspace": "team"},
			map[string]string{"people": "mia", "of-mia": "mia", "tokens": "mias-own", "gateways": "", "workspaces": ""},
		},
		"lee": {
			map[string]string{"user": "lee", "token": "labs-own", "gateway": "lab/secret-etl", "workspace": "lab"},
			map[string]string{"people": "lee", "of-lee": "lee", "tokens": "labs-own", "gateways": "", "in-lab": "", "workspaces": ""},
		},
	} {
		as := site.as(user)
		var seen strings.Builder
		for by, names := range want.usage {
			var got api.UsageReport
			as.do("GET", "/v1/usage?by="+by, "", 200, &got)
			shown := make([]string, len(got.Usage))
			for i, row := range got.Usage {
				if shown[i] = row.Name; row.VCoreHours < 0.99 {
					t.Errorf("%s sees %.3f vCore-hours of %s", user, row.VCoreHours, row.Name)
				}
			}
			slices.Sort(shown)
			rows, days := 0.0, 0.0
			for _, row := range got.Usage {
				rows += row.VCoreHours
			}
			for _, day := range got.Days {
				days += day.VCoreHours
			}
			if math.Abs(rows-days) > 1e-9 {
				t.Errorf("%s sees %f vCore-hours by %s and %f by day", user, rows, by, days)
			}
			if text := strings.Join(shown, " "); text != names {
				t.Errorf("%s sees usage by %s of %q, want %q", user, by, text, names)
			}
			seen.WriteString(as.text("/v1/usage?by=" + by))
			seen.WriteString(as.text("/v1/usage?format=csv&by=" + by))
		}
		var list api.BudgetList
		as.do("GET", "/v1/budgets", "", 200, &list)
		got := make(map[string]string)
		for _, b := range list.Budgets {
			shown := make([]string, len(b.Used))
			for i, u := range b.Used {
				if shown[i] = u.Name; u.TokenName != "" {
					shown[i] = u.TokenName
				}
			}
			slices.Sort(shown)
			got[b.Name] = strings.Join(shown, " ")
		}
		if fmt.Sprint(got) != fmt.Sprint(want.budgets) {
			t.Errorf("%s sees the budgets %v, want %v", user, got, want.budgets)
		}
		seen.WriteString(as.text("/v1/budgets"))
		hidden := map[string][]string{
			"oper": {"lab", "lee"}, "vera": {"lab", "lee"}, "mia": {"lab", "lee", "otto", "others"}, "lee": {"team", "mia", "otto"},
		}
		for _, word := range hidden[user] {
			if strings.Contains(seen.String(), word) {
				t.Errorf("%s is told of %q: %s", user, word, seen.String())
			}
		}
		if user != "root" && user != "lee" && strings.Contains(seen.String(), ids["labs-own"]) || user == "lee" && strings.Contains(seen.String(), ids["mias-own"]) {
			t.Errorf("%s is told of a token of another workspace: %s", user, seen.String())
		}
	}
}

// text returns the reply to a GET request.
func (c *client) text(path string) string {
	c.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(c.t.Context(), "GET", path, nil)
	maps.Copy(r.Header, c.header)
	c.handler.ServeHTTP(w, r)
	return w.Body.String()
}
