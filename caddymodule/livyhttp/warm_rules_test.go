package livyhttp_test

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
)

// likeWarm asks for a session of warmSite's shape.
const likeWarm = `{"kind":"pyspark","driverMemory":"2g","conf":{"spark.x":"y"}}`

// TestWarmWithinBudgets: a hand-over is bound as a create is. What is refused leaves the session.
func TestWarmWithinBudgets(t *testing.T) {
	s, double := warmSite(t, 3)
	s.Load(strings.Replace(s.Config, "	livy {\n", `	livy {
		budget people {
			per token
			period day
			vcore_hours soft 1.5 hard 2
			reserve 1h
		}
`, 1))
	const header = "X-Livy-Gateway-Budget"
	left := warmOf(s)[2] // the oldest ones go first
	for i, soft := range []bool{false, true} {
		var got shownSession
		r := s.Do("POST", "/sessions", likeWarm)
		if got.read(t, r, 201); got.State != "idle" || strings.HasPrefix(r.Header.Get(header), `"people";per=token`) != soft {
			t.Errorf("create %d: %+v, %s", i+1, got, r.Header.Get(header))
		}
	}
	r := s.Do("POST", "/sessions", likeWarm)
	if r.StatusCode != 429 || !strings.Contains(r.Text, "the budget people") || r.Header.Get("Location") != "" || r.Header.Get("Retry-After") == "" {
		t.Errorf("the hard bound: %d %s %v", r.StatusCode, r.Text, r.Header)
	}
	if all := warmOf(s); len(all) == 0 || all[0].ID != left.ID || all[0].State != store.WarmIdle {
		t.Errorf("after a refused create: %+v", all)
	}
	if n := len(s.Records(store.RecordFilter{})); n != 2 || len(double.Requests("sessions")) < 3 {
		t.Errorf("%d records, %d sessions in Livy", n, len(double.Requests("sessions")))
	}
}

// TestStatementAuditOfAWarmSession has the statements from the hand-over on.
func TestStatementAuditOfAWarmSession(t *testing.T) {
	s, _ := warmSite(t, 1, func(spec *gateway.Spec) { spec.StatementAudit = gateway.AuditCode })
	if r := s.Do("POST", "/sessions/0/statements", `{"code":"1+1"}`); r.StatusCode != 404 {
		t.Errorf("before the hand-over: %d %s", r.StatusCode, r.Text)
	}
	s.Do("POST", "/sessions", likeWarm)
	if r := s.Do("POST", "/sessions/0/statements", `{"code":"1+1"}`); r.StatusCode != 201 {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	var list api.StatementList
	s.Await(func() bool {
		s.Do("GET", "/sessions/0/statements/0", "")
		status, _ := s.Manage("GET", "statements", &list)
		return status == 200 && list.Total > 0 && list.Statements[0].Status == "ok"
	})
	record := caddytest.RecordOf(s.Records(store.RecordFilter{}), 0)
	got := list.Statements[0]
	if list.Total != 1 || got.StatementID != 0 || got.Code != "1+1" || got.TokenID != s.TokenID || got.SessionID != record.PublicID {
		t.Errorf("%d statements, %+v; the session is %d", list.Total, got, record.PublicID)
	}
}

// TestWarmSessionsOfADrainingServer: what was handed over serves on, and what belongs to nobody is
// ended. The new server gets sessions of its own.
func TestWarmSessionsOfADrainingServer(t *testing.T) {
	s, old := warmSite(t, 2)
	var first, second shownSession
	first.read(t, s.Do("POST", "/sessions", warmBody), 201)
	left := warmOf(s)[0]
	next := livytest.New()
	base := drain(t, s, next)
	s.Await(func() bool {
		all := warmOf(s)
		return len(all) > 0 && all[0].Epoch != left.Epoch && all[0].State == store.WarmIdle
	})
	if n := len(old.Requests("sessions")); n != 1 {
		t.Errorf("the draining server has %d sessions", n)
	}
	for _, path := range []string{"/sessions/0", "/sessions/asked", "/sessions/0/statements"} {
		if r := s.Do("GET", path, ""); r.StatusCode != 200 {
			t.Errorf("GET %s: %d %s", path, r.StatusCode, r.Text)
		}
	}
	if second.read(t, s.Do("POST", "/sessions", likeWarm), 201); second.ID < base || second.State != "idle" {
		t.Errorf("on the new server: %+v, whose ids begin at %d", second, base)
	}
	if r := s.Do("POST", "/sessions", warmBody); r.StatusCode != 400 || !strings.Contains(r.Text, "is taken") {
		t.Errorf("a name of the draining server: %d %s", r.StatusCode, r.Text)
	}
	if ids, total := listed(t, s.Do("GET", "/sessions", "")); total != 2 || len(ids) != 2 || ids[0] != first.ID || ids[1] != second.ID {
		t.Errorf("the list has %v of %d", ids, total)
	}
}

// TestAnEndedHandOver: whatever Livy says of a session when it is to be handed over, the create is
// answered, with a session that works.
func TestAnEndedHandOver(t *testing.T) {
	s, double := warmSite(t, 1)
	w := warmOf(s)[0]
	if !double.SetState("sessions", w.LivyID, "dead") {
		t.Fatal("the double has no such session")
	}
	var got shownSession
	if got.read(t, s.Do("POST", "/sessions", likeWarm), 201); got.ID == w.LivyID || got.State != "starting" {
		t.Errorf("%+v", got)
	}
	s.Await(func() bool { return len(warmOf(s)) == 0 }) // another one is started after a pause
	if r := s.Do("GET", "/sessions", ""); !strings.Contains(r.Text, `"total":1`) {
		t.Errorf("list %s", r.Text)
	}
}
