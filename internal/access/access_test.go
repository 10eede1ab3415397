package access

import (
	"fmt"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

func policy(t *testing.T, grants ...Grant) *Policy {
	t.Helper()
	p, err := New(grants)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testPolicy(t *testing.T) *Policy {
	return policy(t,
		Grant{Everywhere, Admin, []string{"ann"}, []string{"platform"}},
		Grant{"analytics", Operator, nil, []string{"analytics-ops"}},
		Grant{"analytics", Member, nil, []string{"analytics"}},
		Grant{"analytics", Viewer, []string{"vera", "both"}, nil},
		Grant{"analytics", Member, []string{"both"}, nil},
		Grant{"open", Viewer, []string{Everybody}, nil},
	)
}

// TestReach has each role do each kind of action.
func TestReach(t *testing.T) {
	p := testPolicy(t)
	who := map[string]Principal{
		"admin": {User: "ann"}, "admin by group": {User: "x", Groups: []string{"other", "platform"}},
		"operator": {User: "o", Groups: []string{"analytics-ops"}}, "member": {User: "m", Groups: []string{"analytics"}},
		"viewer": {User: "vera"}, "member and viewer": {User: "both"}, "stranger": {User: "s", Groups: []string{"platform "}},
	}
	for _, tt := range []struct {
		action Action
		want   map[string]Reach
	}{
		{Action{None, false}, map[string]Reach{"admin": All, "operator": All, "member": All, "viewer": All, "stranger": All}},
		{Action{Viewer, false}, map[string]Reach{"admin": All, "admin by group": All, "operator": All, "member": All, "viewer": All, "stranger": Nothing}},
		{Action{Viewer, true}, map[string]Reach{"admin": All, "operator": All, "member": Own, "viewer": All, "member and viewer": All, "stranger": Nothing}},
		{Action{Member, false}, map[string]Reach{"admin": All, "operator": All, "member": All, "viewer": Nothing, "member and viewer": All, "stranger": Nothing}},
		{Action{Operator, false}, map[string]Reach{"admin": All, "operator": All, "member": Nothing, "viewer": Nothing, "member and viewer": Nothing}},
		{Action{Operator, true}, map[string]Reach{"admin": All, "operator": All, "member": Own, "viewer": Nothing, "member and viewer": Own}},
		{Action{Admin, true}, map[string]Reach{"admin": All, "operator": Own, "member": Own, "viewer": Nothing}},
		{Action{Admin, false}, map[string]Reach{"admin": All, "operator": Nothing, "member": Nothing, "viewer": Nothing, "stranger": Nothing}},
	} {
		for name, want := range tt.want {
			if got := p.Of(who[name]).Reach(tt.action, "analytics"); got != want {
				t.Errorf("%s with %+v gets %d, want %d", name, tt.action, got, want)
			}
		}
	}
	if got := p.Of(who["stranger"]).Reach(Action{Role: Viewer}, "open"); got != All {
		t.Errorf("everybody who is logged in gets %d", got)
	}
	if got := p.Of(Principal{}).Reach(Action{Role: Viewer}, "open"); got != Nothing {
		t.Errorf("nobody gets %d where everybody who is logged in is a viewer", got)
	}
	var none *Policy
	if got := none.Of(Principal{User: "anybody"}).Reach(Action{Role: Admin}, "any"); got != All {
		t.Errorf("without roles somebody gets %d", got)
	}
}

func TestRefusalsNameTheRole(t *testing.T) {
	p := testPolicy(t)
	for _, tt := range []struct {
		who       Principal
		action    Action
		workspace string
		kind      gateway.Kind
		text      string
	}{
		{
			Principal{User: "m", Groups: []string{"analytics"}},
			Action{Role: Operator},
			"analytics", gateway.KindForbidden,
			`this requires the role operator in workspace "analytics"; you are member`,
		},
		{
			Principal{User: "vera"},
			Action{Operator, true},
			"analytics", gateway.KindForbidden,
			`this requires the role member in workspace "analytics"; you are viewer`,
		},
		{Principal{User: "both"}, Action{Role: Admin}, "analytics", gateway.KindForbidden, "you are member and viewer"},
		{Principal{User: "vera"}, Action{Role: Viewer}, "payroll", gateway.KindNotFound, `no workspace "payroll"`},
		{Principal{User: "vera"}, Action{Role: Viewer}, Everywhere, gateway.KindNotFound, "no workspace"},
	} {
		_, err := p.Of(tt.who).Allow(tt.action, tt.workspace)
		if gateway.KindOf(err) != tt.kind || !strings.Contains(fmt.Sprint(err), tt.text) {
			t.Errorf("%+v: %v, want %s with %q", tt.who, err, tt.kind, tt.text)
		}
	}
	if err := p.Of(Principal{User: "vera"}).AllowSomewhere(Action{Role: Operator}); gateway.KindOf(err) != gateway.KindForbidden {
		t.Errorf("an operator's action by a viewer: %v", err)
	}
	if err := p.Of(Principal{User: "vera"}).AllowSomewhere(Action{Role: Viewer}); err != nil {
		t.Error(err)
	}
	if err := policy(t).Of(Principal{User: "x"}).AllowSomewhere(Action{Role: Viewer}); err == nil || !strings.Contains(err.Error(), "no role") {
		t.Errorf("somebody without any role: %v", err)
	}
}

func TestBadGrants(t *testing.T) {
	for _, bad := range []Grant{
		{"", Viewer, []string{"x"}, nil},
		{"No Name", Viewer, []string{"x"}, nil},
		{"w", None, []string{"x"}, nil},
		{"w", Viewer, nil, nil},
		{"w", Viewer, []string{""}, nil},
		{"w", Viewer, []string{" x"}, nil},
		{"w", Viewer, nil, []string{"*"}},
	} {
		if _, err := New([]Grant{bad}); gateway.KindOf(err) != gateway.KindInvalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestList(t *testing.T) {
	p := testPolicy(t)
	got := fmt.Sprint(p.Of(Principal{User: "both", Groups: []string{"platform", "analytics-ops"}}).List())
	if want := "[{* admin} {analytics operator} {open viewer}]"; got != want {
		t.Errorf("roles %s, want %s", got, want)
	}
	if got := fmt.Sprint(p.Of(Principal{User: "both"}).List()); got != "[{analytics member} {analytics viewer} {open viewer}]" {
		t.Errorf("roles %s", got)
	}
}

func TestRoleText(t *testing.T) {
	for _, r := range Roles {
		var back Role
		text, _ := r.MarshalText()
		if err := back.UnmarshalText(text); err != nil || back != r {
			t.Errorf("%s comes back as %s, %v", text, back, err)
		}
	}
	var r Role
	if err := r.UnmarshalText([]byte("none")); err == nil {
		t.Error("none was taken for a role that can be given")
	}
}
