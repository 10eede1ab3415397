package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// team is a workspace with members.
func team(c *client, self tokens.SelfService) *client {
	c.do("POST", base, `{"name":"etl"}`, 201, nil)
	return c.site(self,
		access.Grant{Workspace: "default", Role: access.Member, Groups: []string{"team"}},
		access.Grant{Workspace: "default", Role: access.Operator, Users: []string{"olga"}},
		access.Grant{Workspace: "default", Role: access.Admin, Users: []string{"root"}})
}

func TestSelfService(t *testing.T) {
	c := newClient(t)
	site := team(c, tokens.SelfService{MaxLifetime: 10 * 24 * time.Hour, MaxTokens: 2, Scopes: []tokens.Scope{tokens.ScopeSessions, tokens.ScopeRead}})
	ann, bob := site.as("ann", "team"), site.as("bob@example.com", "team")
	const all = base + "/etl/tokens"
	var mine api.NewToken
	ann.do("POST", all, `{"name":"laptop"}`, 201, &mine)
	if mine.Owner != "ann" || mine.Identity != "ann" || mine.CreatedBy != "ann" || fmt.Sprint(mine.Scopes) != "[sessions]" || mine.Secret == "" {
		t.Errorf("made %+v", mine.Token.Token)
	}
	if life := time.Until(mine.ExpiresAt); life > 10*24*time.Hour || life < 9*24*time.Hour {
		t.Errorf("it lives %s", life)
	}
	for body, want := range map[string]struct {
		status int
		text   string
	}{
		`{"name":"x","expireDays":11}`:            {400, "operator's maximum of 10 days"},
		`{"name":"x","scopes":["batches"]}`:       {400, "must be within"},
		`{"name":"x","scopes":[]}`:                {400, "must be within"},
		`{"name":"x","scopes":["admin"]}`:         {400, "must be within"},
		`{"name":"x","identity":"root"}`:          {403, "requires the role admin"},
		`{"name":"x","owner":"bob"}`:              {403, "requires the role admin"},
		`{"name":"x","queue":"root.etl"}`:         {403, "requires the role admin"},
		`{"name":"x","token":"0123456789abcdef"}`: {403, "requires the role admin"},
	} {
		var p api.Problem
		if ann.do("POST", all, body, want.status, &p); !strings.Contains(p.Detail, want.text) {
			t.Errorf("%s: %s", body, p.Detail)
		}
	}
	ann.do("POST", all, `{"name":"second","owner":"me","identity":"ann","scopes":["sessions","read"],"cidrs":["10.0.0.0/8"]}`, 201, nil)
	var p api.Problem
	if ann.do("POST", all, `{"name":"third"}`, 409, &p); !strings.Contains(p.Detail, "may have 2 tokens") {
		t.Errorf("a third of two: %s", p.Detail)
	}
	if site.as("4ever", "team").do("POST", all, `{"name":"x"}`, 400, &p); p.Field != "user" || !strings.Contains(p.Detail, "not a name that jobs can run as") {
		t.Errorf("a user whose name is no identity: %+v", p)
	}
	var others api.NewToken
	bob.do("POST", all, `{"name":"bobs"}`, 201, &others)

	// Each sees, and has in hand, their own.
	var list api.TokenList
	ann.do("GET", all, "", 200, &list)
	if list.Total != 2 || len(list.Tokens) != 2 {
		t.Errorf("ann sees %d tokens", list.Total)
	}
	one := all + "/" + others.ID
	for _, call := range [][2]string{{"GET", one}, {"DELETE", one}, {"POST", one + "/reset"}, {"POST", one + "/disable"}} {
		body := ""
		if strings.HasSuffix(call[1], "reset") {
			body = "{}"
		}
		ann.do(call[0], call[1], body, 404, nil)
	}
	one = all + "/" + mine.ID
	var again api.NewToken
	ann.do("POST", one+"/reset", `{"overlapHours":24,"expireDays":9}`, 200, &again)
	if again.Secret == mine.Secret || again.PreviousUntil.IsZero() || again.Owner != "ann" || time.Until(again.ExpiresAt) < 8*24*time.Hour {
		t.Errorf("reset %+v", again.Token.Token)
	}
	ann.do("POST", one+"/reset", `{"expireDays":11}`, 400, nil)
	ann.do("POST", one+"/reset", `{"token":"0123456789abcdef"}`, 403, nil)
	ann.do("PATCH", one, `{"name":"x"}`, 403, nil)
	ann.do("POST", one+"/disable", "", 200, nil)
	ann.do("POST", one+"/enable", "", 403, nil)
	site.as("olga").do("POST", one+"/enable", "", 200, nil)
	ann.do("DELETE", one, "", 204, nil)
	ann.do("POST", all, `{"name":"third"}`, 201, nil)

	// Of the operator, and of an admin who makes one for somebody.
	site.as("olga").do("GET", all, "", 200, &list)
	if list.Total != 3 {
		t.Errorf("the operator sees %d tokens", list.Total)
	}
	site.as("olga").do("POST", one+"/reset", `{}`, 404, nil)
	var given api.NewToken
	site.as("root").do("POST", all, `{"name":"for cleo","owner":"cleo","identity":"cleo","maxSessions":1}`, 201, &given)
	cleo := site.as("cleo", "team")
	cleo.do("POST", all+"/"+given.ID+"/reset", `{"expireDays":5}`, 403, nil)
	cleo.do("POST", all+"/"+given.ID+"/reset", `{}`, 200, nil)
	var placed api.PlacedTokenList
	cleo.do("GET", "/v1/tokens?owner=me", "", 200, &placed)
	if len(placed.Tokens) != 1 || placed.Tokens[0].Gateway != "etl" || placed.Tokens[0].Workspace != "default" || placed.Tokens[0].DaysLeft != 364 {
		t.Errorf("cleo's tokens %+v", placed)
	}
	cleo.do("GET", "/v1/tokens?owner=ann", "", 200, &placed)
	if len(placed.Tokens) != 0 || placed.Total != 0 {
		t.Errorf("cleo sees ann's tokens: %+v", placed)
	}
	site.as("olga").do("GET", "/v1/tokens?owner=ann", "", 200, &placed)
	if len(placed.Tokens) != 2 {
		t.Errorf("the operator sees %d of ann's tokens", len(placed.Tokens))
	}
	var own api.NewToken
	site.as("root").do("POST", all, `{"name":"mine","owner":"me"}`, 201, &own)
	if own.Owner != "root" || own.Identity != "" {
		t.Errorf("an admin's own: %+v", own.Token.Token)
	}

	// In the audit it is the users who did it.
	var audit api.AuditList
	c.do("GET", "/v1/audit?action=token.create&actor=ann", "", 200, &audit)
	if len(audit.Entries) != 3 || audit.Entries[0].Surface != "site" || audit.Entries[0].After["owner"] != "ann" {
		t.Errorf("audit %+v", audit.Entries)
	}
}

// TestAMemberSeesItsOwnRecords has records of two people's tokens in two gateways.
func TestAMemberSeesItsOwnRecords(t *testing.T) {
	s, _ := storetest.Mini(t)
	c := newClientOn(t, s)
	site := team(c, tokens.SelfService{})
	c.do("POST", base, `{"name":"second"}`, 201, nil)
	now := time.Now().UTC().Add(-time.Hour)
	tokenOf := map[string]string{}
	n := 0
	for _, name := range []string{"etl", "second"} {
		var g api.Gateway
		c.do("GET", base+"/"+name, "", 200, &g)
		for _, user := range []string{"ann", "bob"} {
			var made api.NewToken
			site.as(user, "team").do("POST", base+"/"+name+"/tokens", `{"name":"x"}`, 201, &made)
			tokenOf[user+" "+name] = made.ID
			for i := range 5 {
				n++
				r := &store.Record{
					ID: fmt.Sprintf("livy-%04d", n), GatewayID: g.ID, Kind: "batch", PublicID: int64(n), LivyID: int64(n), State: "running", TokenID: made.ID,
					Created: now.Add(time.Duration(n) * time.Second), Started: now, Updated: now, MilliCPU: 1000, MemoryMB: 1024,
				}
				if i%2 == 0 {
					r.State, r.Ended = "dead", r.Created.Add(time.Minute)
				}
				if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, r); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	ann := site.as("ann", "team")
	list := func(c *client, query string) (ids []string, total int64) {
		var l api.RecordList
		c.do("GET", base+"/etl/records"+query, "", 200, &l)
		for _, r := range l.Records {
			ids = append(ids, r.ID[5:])
		}
		return ids, l.Total
	}
	for _, tt := range []struct{ query, want string }{
		{"", "[0005 0004 0003 0002 0001] 5"},
		{"?limit=2&offset=1", "[0004 0003] 5"},
		{"?offset=9", "[] 5"},
		{"?state=dead", "[0005 0003 0001] 3"},
		{"?state=live", "[0004 0002] 2"},
		{"?token=" + tokenOf["ann etl"], "[0005 0004 0003 0002 0001] 5"},
		{"?token=" + tokenOf["bob etl"], "[] 0"},
	} {
		ids, total := list(ann, tt.query)
		if got := fmt.Sprint(ids, total); got != tt.want {
			t.Errorf("records%s: %s, want %s", tt.query, got, tt.want)
		}
	}
	if _, total := list(site.as("olga"), ""); total != 10 {
		t.Errorf("the operator sees %d records", total)
	}
	ann.do("GET", base+"/etl/records/livy-0001", "", 200, nil)
	ann.do("GET", base+"/etl/records/livy-0006", "", 404, nil)
	ann.do("DELETE", base+"/etl/records/livy-0006", "", 404, nil)
	ann.do("POST", base+"/etl/records/batch:6/ui-link", "", 404, nil)
	ann.do("GET", base+"/etl/statements", "", 403, nil)
	var usage api.UsageList
	ann.do("GET", base+"/etl/usage", "", 200, &usage)
	if len(usage.Usage) == 0 {
		t.Error("ann used nothing")
	}
	for _, u := range usage.Usage {
		if u.TokenID != tokenOf["ann etl"] {
			t.Errorf("ann sees the usage of %s", u.TokenID)
		}
	}

	// Over all gateways, page by page.
	across := func(c *client, query string) (ids []string, pages int) {
		next := ""
		for pages = 0; pages == 0 || next != ""; pages++ {
			var l api.PlacedRecordList
			c.do("GET", "/v1/records?limit=3"+query+"&cursor="+next, "", 200, &l)
			for _, r := range l.Records {
				ids = append(ids, r.ID[5:])
				if r.Workspace == "" || r.Gateway == "" {
					t.Errorf("record %s is in gateway %q of workspace %q", r.ID, r.Gateway, r.Workspace)
				}
			}
			next = l.Next
		}
		return ids, pages
	}
	for _, tt := range []struct {
		c           *client
		query, want string
	}{
		{ann, "", "[0015 0014 0013 0012 0011 0005 0004 0003 0002 0001] 4"},
		{ann, "&state=live", "[0014 0012 0004 0002] 2"},
		{ann, "&token=" + tokenOf["ann second"], "[0015 0014 0013 0012 0011] 2"},
		{ann, "&token=" + tokenOf["bob second"], "[] 1"},
		{site.as("olga"), "&state=dead", "[0020 0018 0016 0015 0013 0011 0010 0008 0006 0005 0003 0001] 4"},
		{site.as("olga"), "&token=" + tokenOf["bob etl"], "[0010 0009 0008 0007 0006] 2"},
	} {
		ids, pages := across(tt.c, tt.query)
		if got := fmt.Sprint(ids, pages); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.query, got, tt.want)
		}
	}
	// What was made with a token that is revoked by now is still ann's.
	ann.do("DELETE", base+"/second/tokens/"+tokenOf["ann second"], "", 204, nil)
	if ids, _ := across(ann, ""); len(ids) != 10 {
		t.Errorf("after a revocation ann sees %v", ids)
	}
}

// TestAMemberNamesOnlyTheirOwnTokens has two users with tokens of the same name: by name each
// reaches their own, and learns nothing of others.
func TestAMemberNamesOnlyTheirOwnTokens(t *testing.T) {
	c := newClient(t)
	site := team(c, tokens.SelfService{})
	ann, bob := site.as("ann", "team"), site.as("bob", "team")
	const all = base + "/etl/tokens"
	var anns, bobs, secret api.NewToken
	ann.do("POST", all, `{"name":"laptop"}`, 201, &anns)
	bob.do("POST", all, `{"name":"laptop"}`, 201, &bobs)
	bob.do("POST", all, `{"name":"only-bobs"}`, 201, &secret)

	var got api.Token
	if ann.do("GET", all+"/laptop", "", 200, &got); got.ID != anns.ID {
		t.Errorf("ann's laptop is %s, want %s", got.ID, anns.ID)
	}
	site.as("olga").do("GET", all+"/laptop", "", 409, nil)
	for _, call := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"POST", "/disable"}} {
		ann.do(call[0], all+"/only-bobs"+call[1], "", 404, nil)
	}
	ann.do("GET", base+"/etl/records?token=only-bobs", "", 404, nil)
	ann.do("GET", base+"/etl/records?token=laptop", "", 200, nil)

	// Revoked tokens are shown to their owner only.
	bob.do("DELETE", all+"/only-bobs", "", 204, nil)
	ann.do("DELETE", all+"/laptop", "", 204, nil)
	var list api.TokenList
	if ann.do("GET", all+"?revoked=true", "", 200, &list); len(list.Tokens) != 1 || list.Tokens[0].ID != anns.ID {
		t.Errorf("ann sees %+v", list.Tokens)
	}
	ann.do("GET", all+"/only-bobs", "", 404, nil)
	if site.as("olga").do("GET", all+"?revoked=true", "", 200, &list); len(list.Tokens) != 3 {
		t.Errorf("the operator sees %d tokens, want 3", len(list.Tokens))
	}
}
