package api_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

func TestOverview(t *testing.T) {
	s, _ := storetest.Mini(t)
	c := newClientOn(t, s)
	now := time.Now().UTC()
	public := int64(0)
	record := func(g *api.Gateway, token, kind, state string, created time.Time, life time.Duration) {
		t.Helper()
		public++
		r := &store.Record{
			ID: fmt.Sprintf("livy-%d", public), GatewayID: g.ID, Kind: kind, PublicID: public, LivyID: public, State: state,
			TokenID: token, Created: created, Started: created, Updated: created, MilliCPU: 2000, MemoryMB: 4096,
		}
		if life != 0 {
			r.Ended = created.Add(life)
		}
		if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, r); err != nil {
			t.Fatal(err)
		}
	}
	var a, b api.Gateway
	c.do("POST", "/v1/workspaces/a/gateways", `{"name":"etl","queue":"root.etl"}`, 201, &a)
	c.do("POST", "/v1/workspaces/b/gateways", `{"name":"adhoc"}`, 201, &b)
	site := c.site(tokens.SelfService{},
		access.Grant{Workspace: access.Everywhere, Role: access.Admin, Users: []string{"root"}},
		access.Grant{Workspace: "a", Role: access.Member, Users: []string{"ann", "bob"}},
		access.Grant{Workspace: "a", Role: access.Viewer, Users: []string{"vera"}},
		access.Grant{Workspace: "a", Role: access.Operator, Users: []string{"olga"}})
	var anns, bobs api.NewToken
	site.as("ann").do("POST", "/v1/workspaces/a/gateways/etl/tokens", `{"name":"anns","expireDays":2}`, 201, &anns)
	site.as("bob").do("POST", "/v1/workspaces/a/gateways/etl/tokens", `{"name":"bobs"}`, 201, &bobs)
	today := now.Truncate(24 * time.Hour)
	record(&a, anns.ID, "session", "idle", now.Add(-time.Second), 0)
	record(&a, bobs.ID, "batch", "running", now.Add(-time.Second), 0)
	record(&a, anns.ID, "batch", "dead", today.AddDate(0, 0, -3), time.Hour)
	record(&a, bobs.ID, "batch", "dead", today.AddDate(0, 0, -3), time.Hour)
	record(&b, "lctk-x", "batch", "dead", today.AddDate(0, 0, -13), 2*time.Hour)
	record(&b, "lctk-x", "batch", "dead", today.AddDate(0, 0, -14), 2*time.Hour)

	refusal := func(gatewayID string, count int64) {
		t.Helper()
		e := store.AuditEntry{Action: "batch.create", Outcome: store.OutcomeRefused, GatewayID: gatewayID, Count: count}
		if err := s.AppendAudit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	refusal(a.ID, 0)
	refusal(a.ID, 4)
	refusal(b.ID, 0)
	refusal("", 7)
	for _, tt := range []struct {
		user                      string
		gateways                  int
		live                      api.LiveCounts
		kinds                     string
		created, used, first, all float64
		tokens, users             string
		refused                   int64 // -1: not shown
	}{
		{
			"root", 2,
			api.LiveCounts{Sessions: 1, Batches: 1},
			"token-expiring etl, finding etl", 2, 4, 4, 5,
			"b/adhoc lctk-x, a/etl anns, a/etl bobs", ", ann, bob", 13,
		},
		{"olga", 1, api.LiveCounts{Sessions: 1, Batches: 1}, "token-expiring etl, finding etl", 2, 4, 0, 4, "a/etl anns, a/etl bobs", "ann, bob", 5},
		{"ann", 1, api.LiveCounts{Sessions: 1}, "token-expiring etl, finding etl", 1, 2, 0, 2, "a/etl anns", "ann", -1},
		{"bob", 1, api.LiveCounts{Batches: 1}, "finding etl", 1, 2, 0, 2, "a/etl bobs", "bob", -1},
		{"vera", 1, api.LiveCounts{Sessions: 1, Batches: 1}, "finding etl", 2, 4, 0, 4, "a/etl anns, a/etl bobs", "ann, bob", -1},
	} {
		var list api.GatewayList
		site.as(tt.user).do("GET", "/v1/gateways?live=true", "", 200, &list)
		in := map[string]api.LiveUse{}
		for _, g := range list.Gateways {
			in[g.Workspace] = *g.Live
		}
		n := int64(tt.live.Sessions + tt.live.Batches)
		if want := (api.LiveUse{LiveCounts: tt.live, MilliCPU: 2000 * n, MemoryMB: 4096 * n}); in["a"] != want || in["b"] != (api.LiveUse{}) {
			t.Errorf("%s: the list has %+v live", tt.user, in)
		}
		list = api.GatewayList{}
		site.as(tt.user).do("GET", "/v1/gateways", "", 200, &list)
		if list.Gateways[0].Live != nil {
			t.Errorf("%s: the list has live sessions without being asked", tt.user)
		}
		var o api.Overview
		site.as(tt.user).do("GET", "/v1/overview", "", 200, &o)
		if o.Gateways.Total != tt.gateways || o.Gateways.ByState["created"] != tt.gateways || o.Live != tt.live {
			t.Errorf("%s: gateways %+v, live %+v", tt.user, o.Gateways, o.Live)
		}
		var kinds []string
		for _, f := range o.Attention {
			kinds = append(kinds, f.Kind+" "+f.Gateway)
		}
		if got := strings.Join(kinds, ", "); got != tt.kinds || o.AttentionTotal != len(o.Attention) {
			t.Errorf("%s: attention %s, want %s", tt.user, got, tt.kinds)
		}
		if len(o.Usage) != 14 || o.Usage[13].Day != today.Format(time.DateOnly) {
			t.Fatalf("%s: usage %+v", tt.user, o.Usage)
		}
		day := o.Usage[10]
		if float64(day.Creates) != tt.created || day.VCoreHours != tt.used || day.GBHours != 2*tt.used || o.Usage[0].VCoreHours != tt.first {
			t.Errorf("%s: usage %+v and %+v", tt.user, day, o.Usage[0])
		}
		total := int64(0)
		for _, d := range o.Usage {
			total += d.Creates
		}
		var byToken, byUser []string
		for _, u := range o.Tokens {
			byToken = append(byToken, u.Workspace+"/"+u.Gateway+" "+cmp.Or(u.Name, u.TokenID))
		}
		for _, u := range o.Users {
			byUser = append(byUser, u.User)
		}
		slices.Sort(byToken[len(byToken)-min(2, len(byToken)):]) // both used the same but for milliseconds
		slices.Sort(byUser[len(byUser)-min(2, len(byUser)):])
		if got := strings.Join(byToken, ", "); got != tt.tokens {
			t.Errorf("%s: by token: %s, want %s", tt.user, got, tt.tokens)
		}
		if got := strings.Join(byUser, ", "); got != tt.users {
			t.Errorf("%s: by user: %q, want %q", tt.user, got, tt.users)
		}
		refused := int64(-1)
		for _, d := range o.Usage[12:] { // the test may run at midnight
			if d.Refused != nil {
				refused = max(refused, 0) + *d.Refused
			}
		}
		if refused != tt.refused {
			t.Errorf("%s: %d refused, want %d", tt.user, refused, tt.refused)
		}
		if float64(total) != tt.all || o.Usage[13].VCoreHours <= 0 && o.Usage[12].VCoreHours <= 0 {
			t.Errorf("%s: %d creates, %+v today", tt.user, total, o.Usage[13])
		}
	}
}
