package sessions_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

// TestAuditedStatements runs statements that end in every way, and trims them.
func TestAuditedStatements(t *testing.T) {
	f := newFixture(t)
	outputs := []struct{ state, output, status string }{
		{"available", `{"status":"ok","data":{}}`, "ok"},
		{"available", `{"status":"error","ename":"x"}`, "error"},
		{"cancelled", `null`, "cancelled"},
		{"running", `null`, ""},
	}
	for i, o := range outputs {
		f.RecordStatement(t.Context(), f.g.ID, sessions.SubmittedStatement{
			SessionID: 7, StatementID: int64(i), TokenID: "lctk-1", TokenName: "ann", ClientAddr: "192.0.2.1", Code: "secret()", KeepCode: i == 1,
		})
		for range 2 { // clients ask more than once
			f.ObserveStatements(t.Context(), f.g.ID, 7, livy.Statement{
				ID: int64(i), State: o.state, Output: json.RawMessage(o.output), Started: 1000, Completed: 3500,
			})
		}
	}
	f.ObserveStatements(t.Context(), f.g.ID, 7, livy.Statement{ID: 99, State: "cancelled"}) // run when nobody audited
	all, total, err := f.store.Statements(t.Context(), f.g.ID, 0, 10)
	if err != nil || total != int64(len(outputs)) {
		t.Fatalf("%d statements, %v", total, err)
	}
	for _, st := range all {
		want := outputs[st.StatementID].status
		if st.Status != want || (st.DurationMs == 2500) != (want != "") || !st.Submitted.Equal(f.now) {
			t.Errorf("%+v, want status %q", st, want)
		}
		if st.SessionID != 7 || st.TokenID != "lctk-1" || st.TokenName != "ann" || st.ClientAddr != "192.0.2.1" || len(st.CodeHash) != 64 {
			t.Errorf("who ran what: %+v", st)
		}
		if kept := st.Code != ""; kept != (st.StatementID == 1) {
			t.Errorf("statement %d: code %q", st.StatementID, st.Code)
		}
	}
	f.now = f.now.Add(gateway.DefaultRetention + time.Minute)
	f.poll(&lists{})
	if _, total, err := f.store.Statements(t.Context(), f.g.ID, 0, 10); total != 0 || err != nil {
		t.Errorf("%d statements stay for good, %v", total, err)
	}
}

// Clients poll their statements while Redis is away: each is kept once.
func TestStatementsWaitForRedis(t *testing.T) {
	f := newFixture(t)
	f.RecordStatement(t.Context(), f.g.ID, sessions.SubmittedStatement{SessionID: 7, StatementID: 1, TokenID: "lctk-1", Code: "x"})
	f.fail("LOADING Redis is loading the dataset in memory")
	for range 1000 {
		f.ObserveStatements(t.Context(), f.g.ID, 7, livy.Statement{ID: 1, State: "cancelled"}, livy.Statement{ID: 2, State: "cancelled"})
	}
	f.fail("")
	before := f.commands()
	f.begin(f.intent(livy.KindSession))
	if n := f.commands() - before; n > 100 {
		t.Errorf("%d commands to Redis when it is back", n)
	}
	if all, _, err := f.store.Statements(t.Context(), f.g.ID, 0, 10); err != nil || len(all) != 1 || all[0].Status != "cancelled" {
		t.Errorf("%+v, %v", all, err)
	}
}
