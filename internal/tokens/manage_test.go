package tokens_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

const days = 24 * time.Hour

func TestExpiryRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time stands still
		now := time.Now().UTC()
		tests := []struct {
			name  string
			max   time.Duration
			days  int
			at    time.Time
			want  time.Duration // 0: refused
			field string
		}{
			{name: "default", want: 365 * days},
			{name: "default under a shorter maximum", max: 90 * days, want: 90 * days},
			{name: "default under a longer maximum", max: 900 * days, want: 365 * days},
			{name: "one day", days: 1, want: days},
			{name: "the maximum", max: 90 * days, days: 90, want: 90 * days},
			{name: "a time", at: now.Add(36 * time.Hour), want: 36 * time.Hour},
			{name: "a time just far enough", at: now.Add(days), want: days},
			{name: "the maximum as a time", max: 90 * days, at: now.Add(90 * days), want: 90 * days},
			{name: "negative", days: -1, field: "expireDays"},
			{name: "beyond all sense", days: math.MaxInt, field: "expireDays"},
			{name: "beyond the maximum", max: 90 * days, days: 91, field: "expireDays"},
			{name: "too soon", at: now.Add(days - time.Second), field: "expiresAt"},
			{name: "past", at: now.Add(-days), field: "expiresAt"},
			{name: "a time beyond the maximum", max: 90 * days, at: now.Add(90*days + time.Second), field: "expiresAt"},
			{name: "both", days: 1, at: now.Add(days), field: "expireDays"},
		}
		for _, tt := range tests {
			s, _ := fake(tokens.Options{MaxLifetime: tt.max})
			settings := tokens.Settings{Name: new("n")}
			if tt.days != 0 {
				settings.ExpireDays = &tt.days
			}
			if !tt.at.IsZero() {
				settings.ExpiresAt = &tt.at
			}
			token, _, err := s.Create(t.Context(), tokens.CreateRequest{GatewayID: gw, Settings: settings})
			if tt.want == 0 {
				wantInvalid(t, tt.name, err, tt.field)
			} else if err != nil || token.ExpiresAt.Sub(now) != tt.want {
				t.Errorf("%s: %v, %v; want %s", tt.name, token, err, tt.want)
			}
		}
	})
}

func wantInvalid(t *testing.T, what string, err error, field string) {
	t.Helper()
	var e *gateway.Error
	if !errors.As(err, &e) || e.Kind != gateway.KindInvalid || e.Field != field || e.Rule == "" {
		t.Errorf("%s: %v, want one about %s", what, err, field)
	}
}

func TestCreateRules(t *testing.T) {
	t.Parallel()
	type R = tokens.CreateRequest
	bad := map[string]struct {
		r     R
		field string
	}{
		"no name":             {R{Settings: tokens.Settings{Name: new(" ")}}, "name"},
		"long name":           {R{Settings: tokens.Settings{Name: new(strings.Repeat("x", 65))}}, "name"},
		"control characters":  {R{Settings: tokens.Settings{Name: new("a\nb")}}, "name"},
		"space at the end":    {R{Settings: tokens.Settings{Name: new("a ")}}, "name"},
		"unknown scope":       {R{Settings: tokens.Settings{Scopes: new([]tokens.Scope{"write"})}}, "scopes"},
		"scope twice":         {R{Settings: tokens.Settings{Scopes: new([]tokens.Scope{"read", "read"})}}, "scopes"},
		"admin and more":      {R{Settings: tokens.Settings{Scopes: new([]tokens.Scope{"read", "admin"})}}, "scopes"},
		"no range":            {R{Settings: tokens.Settings{CIDRs: new([]string{"10.0.0.0/33"})}}, "cidrs"},
		"empty range":         {R{Settings: tokens.Settings{CIDRs: new([]string{""})}}, "cidrs"},
		"mapped range":        {R{Settings: tokens.Settings{CIDRs: new([]string{"::ffff:10.0.0.0/104"})}}, "cidrs"},
		"range with a zone":   {R{Settings: tokens.Settings{CIDRs: new([]string{"fe80::1%eth0"})}}, "cidrs"},
		"too many ranges":     {R{Settings: tokens.Settings{CIDRs: new(make([]string, 65))}}, "cidrs"},
		"no user name":        {R{Settings: tokens.Settings{Identity: new("a b")}}, "identity"},
		"no queue name":       {R{Settings: tokens.Settings{Queue: new("root..\n")}}, "queue"},
		"negative sessions":   {R{Settings: tokens.Settings{MaxSessions: new(-1)}}, "maxSessions"},
		"too many batches":    {R{Settings: tokens.Settings{MaxBatches: new(int(1e9))}}, "maxBatches"},
		"negative rate":       {R{Settings: tokens.Settings{RequestsPerSecond: new(float64(-1))}}, "requestsPerSecond"},
		"rate without number": {R{Settings: tokens.Settings{RequestsPerSecond: new(math.NaN())}}, "requestsPerSecond"},
		"tiny rate":           {R{Settings: tokens.Settings{RequestsPerSecond: new(1e-9)}}, "requestsPerSecond"},
		"short secret":        {R{Secret: "fifteen-letters"}, "token"},
		"long secret":         {R{Secret: strings.Repeat("x", 257)}, "token"},
		"secret with a space": {R{Secret: "sixteen letters!"}, "token"},
		"secret like ours":    {R{Secret: "lgw_chosen_by_a_caller"}, "token"},
	}
	s, rows := fake(tokens.Options{})
	for name, tt := range bad {
		tt.r.GatewayID = gw
		if tt.r.Name == nil {
			tt.r.Name = new("n")
		}
		_, _, err := s.Create(t.Context(), tt.r)
		wantInvalid(t, name, err, tt.field)
		if tt.r.Secret != "" && strings.Contains(err.Error(), tt.r.Secret) {
			t.Errorf("%s: the secret shows: %v", name, err)
		}
	}
	if len(rows.rows) != 0 {
		t.Errorf("%d tokens were made", len(rows.rows))
	}
	token, secret := mustCreate(t, s, R{
		Secret: "sixteen-letters!", By: gateway.Origin{Actor: "ann"},
		Settings: tokens.Settings{
			Name: new("Überwachung (nightly)"), Scopes: new([]tokens.Scope{"batches", "read"}), CIDRs: new([]string{"10.1.2.3/8", "2001:db8::1"}),
			Identity: new("etl"), Queue: new("root.etl"), MaxSessions: new(1), MaxBatches: new(2), RequestsPerSecond: new(0.5),
		},
	})
	if secret != "sixteen-letters!" || !token.Supplied || token.CIDRs[0].String() != "10.0.0.0/8" || token.CIDRs[1].String() != "2001:db8::1/128" {
		t.Errorf("created %+v with %q", token, secret)
	}
	text, err := json.Marshal(token)
	if err != nil || bytes.Contains(text, []byte(secret)) || !bytes.Contains(text, []byte(`"cidrs":["10.0.0.0/8","2001:db8::1/128"]`)) || !bytes.Contains(text, []byte(`"maxBatches":2`)) {
		t.Errorf("as JSON: %s, %v", text, err)
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	s, _ := mini(t, tokens.Options{MaxLifetime: 90 * days})
	token, secret := mustCreate(t, s, tokens.CreateRequest{Settings: tokens.Settings{Name: new("old"), Queue: new("q"), Scopes: new([]tokens.Scope{"read"})}})
	name, none, ten, zero := "new", "", 10, 0
	changed, err := s.Update(t.Context(), gateway.Order{}, gw, token.ID, tokens.Settings{Name: &name, Queue: &none, ExpireDays: &ten, Scopes: &[]tokens.Scope{}})
	if err != nil {
		t.Fatal(err)
	}
	if changed.Name != "new" || changed.Queue != "" || len(changed.Scopes) != 0 || changed.Revision != 2 || time.Until(changed.ExpiresAt) > 10*days {
		t.Errorf("changed to %+v", changed)
	}
	got, err := s.Get(t.Context(), gw, token.ID)
	if err != nil || got.Name != "new" || got.Revision != 2 {
		t.Errorf("Get: %+v, %v", got, err)
	}
	want(t, "its secret", reason(t, s, gw, secret, get), "")
	_, err = s.Update(t.Context(), gateway.Order{}, gw, token.ID, tokens.Settings{ExpireDays: &zero})
	wantInvalid(t, "no days", err, "expireDays")
	far := time.Now().Add(91 * days)
	_, err = s.Update(t.Context(), gateway.Order{}, gw, token.ID, tokens.Settings{ExpiresAt: &far})
	wantInvalid(t, "beyond the maximum", err, "expiresAt")
	for what, err := range map[string]error{
		"Update through another gateway": second(s.Update(t.Context(), gateway.Order{}, "lc-b", token.ID, tokens.Settings{Name: &name})),
		"Get through another gateway":    second(s.Get(t.Context(), "lc-b", token.ID)),
		"Revoke through another gateway": s.Revoke(t.Context(), gateway.Order{}, "lc-b", token.ID),
		"Get of none":                    second(s.Get(t.Context(), gw, "lctk-none")),
	} {
		if gateway.KindOf(err) != gateway.KindNotFound {
			t.Errorf("%s: %v, want not found", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestAChangeThatChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := fake(tokens.Options{})
		token, _, err := s.Create(t.Context(), tokens.CreateRequest{
			GatewayID: gw, Settings: tokens.Settings{Name: new("n"), Scopes: new([]tokens.Scope{tokens.ScopeRead})},
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		name, scopes, none := "n", []tokens.Scope{tokens.ScopeRead}, []string{}
		for i, c := range []tokens.Settings{{}, {Name: &name}, {Scopes: &scopes}, {CIDRs: &none}} {
			now, err := s.Update(t.Context(), gateway.Order{}, gw, token.ID, c)
			if err != nil || now.Revision != token.Revision || !now.UpdatedAt.Equal(token.UpdatedAt) {
				t.Errorf("%d: %+v, %v", i, now, err)
			}
		}
		name = "m"
		if now, err := s.Update(t.Context(), gateway.Order{}, gw, token.ID, tokens.Settings{Name: &name}); err != nil || now.Revision == token.Revision {
			t.Errorf("a change: %+v, %v", now, err)
		}
	})
}

func TestResetRules(t *testing.T) {
	t.Parallel()
	s, _ := mini(t, tokens.Options{})
	token, first := mustCreate(t, s, tokens.CreateRequest{Secret: "chosen-by-a-caller"})
	for _, overlap := range []float64{-0.1, 168.1, math.NaN()} {
		_, _, err := s.Reset(t.Context(), gateway.Order{}, gw, token.ID, tokens.ResetRequest{OverlapHours: overlap})
		wantInvalid(t, fmt.Sprint(overlap), err, "overlapHours")
	}
	_, _, err := s.Reset(t.Context(), gateway.Order{}, gw, token.ID, tokens.ResetRequest{Secret: first})
	wantInvalid(t, "the present secret", err, "token")
	want(t, "after resets that were refused", reason(t, s, gw, first, get), "")

	after, next, err := s.Reset(t.Context(), gateway.Order{}, gw, token.ID, tokens.ResetRequest{OverlapHours: 168})
	if err != nil || after.ID != token.ID || after.Supplied {
		t.Fatalf("reset to %+v, %v", after, err)
	}
	want(t, "old secret", reason(t, s, gw, first, get), "")
	want(t, "new secret", reason(t, s, gw, next, get), "")
	// Migration the other way round: from one of ours to one of theirs.
	_, chosen, err := s.Reset(t.Context(), gateway.Order{}, gw, token.ID, tokens.ResetRequest{Secret: "another-chosen-one"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "chosen secret", reason(t, s, gw, chosen, get), "")
	want(t, "the one before", reason(t, s, gw, next, get), tokens.ReasonRevoked)
}

// TestConcurrentChanges makes changes of different things at the same time:
// none may be lost.
func TestConcurrentChanges(t *testing.T) {
	t.Parallel()
	s, _ := mini(t, tokens.Options{})
	token, _ := mustCreate(t, s, tokens.CreateRequest{})
	var wg sync.WaitGroup
	name, queue, seven := "renamed", "root.etl", 7
	for _, c := range []tokens.Settings{{Name: &name}, {Queue: &queue}, {MaxSessions: &seven}} {
		wg.Go(func() {
			if _, err := s.Update(t.Context(), gateway.Order{}, gw, token.ID, c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := s.Get(t.Context(), gw, token.ID)
	if err != nil || got.Name != name || got.Queue != queue || got.MaxSessions != 7 || got.Revision != 4 {
		t.Errorf("after three changes: %+v, %v", got, err)
	}
}

func TestRevokeAll(t *testing.T) {
	t.Parallel()
	s, _ := mini(t, tokens.Options{})
	_, one := mustCreate(t, s, tokens.CreateRequest{})
	_, two := mustCreate(t, s, tokens.CreateRequest{})
	_, other := mustCreate(t, s, tokens.CreateRequest{GatewayID: "lc-b"})
	if err := s.RevokeAll(t.Context(), gateway.Order{}, gw); err != nil {
		t.Fatal(err)
	}
	want(t, "first", reason(t, s, gw, one, get), tokens.ReasonRevoked)
	want(t, "second", reason(t, s, gw, two, get), tokens.ReasonRevoked)
	want(t, "another gateway's", reason(t, s, "lc-b", other, get), "")
}

func TestScopes(t *testing.T) {
	t.Parallel()
	const (
		version = tokens.AccessRead
		readS   = tokens.AccessRead | tokens.AccessSessions
		writeS  = tokens.AccessWrite | tokens.AccessSessions
		readB   = tokens.AccessRead | tokens.AccessBatches
		writeB  = tokens.AccessWrite | tokens.AccessBatches
		manage  = tokens.AccessAdmin | tokens.AccessWrite
		nothing = tokens.Access(0)
	)
	tests := map[string]struct {
		scopes []tokens.Scope
		may    []tokens.Access
	}{
		"none":             {nil, []tokens.Access{nothing, version, readS, writeS, readB, writeB}},
		"sessions":         {[]tokens.Scope{"sessions"}, []tokens.Access{nothing, version, readS, writeS}},
		"batches":          {[]tokens.Scope{"batches"}, []tokens.Access{nothing, version, readB, writeB}},
		"both":             {[]tokens.Scope{"sessions", "batches"}, []tokens.Access{nothing, version, readS, writeS, readB, writeB}},
		"read":             {[]tokens.Scope{"read"}, []tokens.Access{nothing, version, readS, readB}},
		"read of sessions": {[]tokens.Scope{"sessions", "read"}, []tokens.Access{nothing, version, readS}},
		"admin":            {[]tokens.Scope{"admin"}, []tokens.Access{nothing, version, readS, writeS, readB, writeB, manage}},
	}
	for name, tt := range tests {
		token := &tokens.Token{TokenFields: store.TokenFields{ID: "lctk-x", Scopes: tt.scopes}}
		allowed := map[tokens.Access]bool{}
		for _, a := range tt.may {
			allowed[a] = true
		}
		for _, a := range []tokens.Access{nothing, version, readS, writeS, readB, writeB, manage} {
			err := token.Allows(a)
			if allowed[a] != (err == nil) {
				t.Errorf("%s: access %05b: %v", name, a, err)
			}
			if err != nil && (reasonOf(t, err) != tokens.ReasonScope || gateway.KindOf(err) != gateway.KindForbidden) {
				t.Errorf("%s: access %05b: %#v", name, a, err)
			}
		}
	}
}

// TestRulesOfANewerVersion has a stored token bear a limit that this version
// does not know: it must not be read as no limit.
func TestRulesOfANewerVersion(t *testing.T) {
	t.Parallel()
	s, rows := fake(tokens.Options{})
	token, secret := mustCreate(t, s, tokens.CreateRequest{})
	rows.rows[token.ID].Scopes = []tokens.Scope{"catalogs"}
	want(t, "scope", reason(t, s, gw, secret, get), tokens.ReasonUnavailable)
}
