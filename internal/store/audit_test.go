package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// actions are the actions that a filter chooses, newest first.
func actions(t *testing.T, s *store.Store, f store.AuditFilter) (all []string) {
	t.Helper()
	for {
		page, next, err := s.ReadAudit(t.Context(), f, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			all = append(all, e.Action)
		}
		if next == "" {
			return all
		}
		f.Before = next
	}
}

func TestAudit(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store, _ func(...any) any) {
		ann := gateway.Origin{Actor: "ann", Address: "192.0.2.7", Surface: "site"}
		for i := range 5 {
			if err := s.AppendAudit(t.Context(), store.AuditEntry{Action: fmt.Sprintf("token.n%d", i), GatewayID: "lc-a", Gateway: "default/etl"}.By(ann)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.AppendAudit(t.Context(), store.AuditEntry{Action: "gateway.error", GatewayID: "lc-b", Gateway: "team/etl", Outcome: store.OutcomeRefused}); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		for _, tc := range []struct {
			name   string
			filter store.AuditFilter
			want   int
		}{
			{"all", store.AuditFilter{}, 6},
			{"a gateway's id", store.AuditFilter{Gateway: "lc-b"}, 1},
			{"a gateway's name", store.AuditFilter{Gateway: "etl"}, 6},
			{"a gateway's workspace and name", store.AuditFilter{Gateway: "default/etl"}, 5},
			{"a name that is known to be a gateway's", store.AuditFilter{Gateway: "x", GatewayID: "lc-b"}, 1},
			{"an actor", store.AuditFilter{Actor: "ann"}, 5},
			{"nobody", store.AuditFilter{Actor: gateway.SystemActor}, 1},
			{"an action", store.AuditFilter{Action: "token.n3"}, 1},
			{"actions", store.AuditFilter{Action: "token"}, 5},
			{"no part of a word", store.AuditFilter{Action: "tok"}, 0},
			{"an outcome", store.AuditFilter{Outcome: store.OutcomeRefused}, 1},
			{"from later on", store.AuditFilter{From: now.Add(time.Hour)}, 0},
			{"from before", store.AuditFilter{From: now.Add(-time.Hour), Until: now.Add(time.Hour)}, 6},
			{"from before there were computers", store.AuditFilter{From: time.Date(1462, 1, 1, 0, 0, 0, 0, time.UTC)}, 6},
			{"until then", store.AuditFilter{Until: time.Date(1462, 1, 1, 0, 0, 0, 0, time.UTC)}, 0},
			{"until before", store.AuditFilter{Until: now.Add(-time.Hour)}, 0},
		} {
			if got := actions(t, s, tc.filter); len(got) != tc.want {
				t.Errorf("%s: %d entries, want %d: %v", tc.name, len(got), tc.want, got)
			}
		}
		page, _, err := s.ReadAudit(t.Context(), store.AuditFilter{Actor: "ann"}, 1)
		if err != nil || len(page) != 1 {
			t.Fatal(page, err)
		}
		e := page[0]
		if e.Address != "192.0.2.7" || e.Surface != "site" || e.Outcome != store.OutcomeDone || now.Sub(e.Time).Abs() > time.Minute || !store.ValidAuditID(e.ID) {
			t.Errorf("entry %+v", e)
		}

		for _, life := range []time.Duration{2 * time.Hour, 100 * 365 * 24 * time.Hour} {
			if err := s.TrimAudit(t.Context(), now, life); err != nil {
				t.Fatal(err)
			}
		}
		if got := actions(t, s, store.AuditFilter{}); len(got) != 6 {
			t.Errorf("%d entries are left of those that are young", len(got))
		}
		if err := s.TrimAudit(t.Context(), now.Add(2*time.Hour), time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := actions(t, s, store.AuditFilter{}); len(got) != 0 {
			t.Errorf("%d entries are left of those that are old", len(got))
		}
	})
}

// TestNoChangeWithoutEntry makes the audit unwritable: then nothing can be changed.
func TestNoChangeWithoutEntry(t *testing.T) {
	s, mini := storetest.Mini(t)
	g := newGateway("lc-1", "etl")
	if err := s.SaveGateway(t.Context(), g, store.Write{}); err != nil {
		t.Fatal(err)
	}
	row := testRow(1)
	if err := s.CreateToken(t.Context(), row, store.Write{}); err != nil {
		t.Fatal(err)
	}
	if got := actions(t, s, store.AuditFilter{}); fmt.Sprint(got) != "[token.create gateway.create]" {
		t.Errorf("the audit has %v", got)
	}

	mini.Del("livygw:audit")
	if err := mini.Set("livygw:audit", "no stream"); err != nil {
		t.Fatal(err)
	}
	g.Spec.Queue = "root.other"
	if s.SaveGateway(t.Context(), g, store.Write{Audit: &store.AuditEntry{Action: "gateway.update"}}) == nil {
		t.Error("a gateway is changed without an entry")
	}
	if s.SaveGateway(t.Context(), newGateway("lc-2", "other"), store.Write{}) == nil {
		t.Error("a gateway is created without an entry")
	}
	if s.CreateToken(t.Context(), testRow(2), store.Write{}) == nil {
		t.Error("a token is created without an entry")
	}
	row.Name = "other"
	if s.UpdateToken(t.Context(), row, store.Write{}) == nil {
		t.Error("a token is changed without an entry")
	}
	if s.RevokeToken(t.Context(), row.GatewayID, row.ID, time.Now(), store.Write{}) == nil {
		t.Error("a token is revoked without an entry")
	}
	all, err := s.Gateways(t.Context())
	if err != nil || len(all) != 1 || all[0].Spec.Queue != "" {
		t.Errorf("gateways %+v, %v", all, err)
	}
	stored, err := s.Token(t.Context(), row.ID)
	if err != nil || stored.Name == "other" || !stored.RevokedAt.IsZero() {
		t.Errorf("token %+v, %v", stored, err)
	}
}
