package accesskeys_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

const (
	oldKey = "the older sealing key, of at least 32 characters"
	newKey = "the newer sealing key, of at least 32 characters"
)

func sealer(t *testing.T, texts ...string) *accesskeys.Sealer {
	t.Helper()
	s, err := accesskeys.NewSealer(texts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newService(t *testing.T, s *store.Store, texts ...string) *accesskeys.Service {
	t.Helper()
	service := accesskeys.New(s, time.Now, zap.NewNop())
	service.Configure(sealer(t, texts...))
	return service
}

func request() accesskeys.CreateRequest {
	return accesskeys.CreateRequest{
		Name: "scripts", Role: access.Operator, Workspaces: []string{"default", "lab"}, User: "vera",
		By: gateway.Origin{Actor: "ann", Address: "192.0.2.1", Surface: "admin"},
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	s, redis := storetest.Mini(t)
	a, b := newService(t, s, oldKey), newService(t, s, oldKey)
	key, secret, err := a.Create(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(key.ID, "lcak-") || len(secret) < 40 || strings.Contains(redis.Dump(), secret[21:53]) {
		t.Errorf("created %+v; the secret is in Redis", key)
	}
	got, again, err := b.Secret(t.Context(), key.ID)
	if err != nil || again != secret || got.State != accesskeys.Active || got.CreatedBy != "ann" {
		t.Errorf("another instance has %+v, %v", got, err)
	}
	rights, err := got.Rights()
	if err != nil || rights.User != "vera" || rights.Reach(access.Action{Role: access.Operator}, "lab") != access.All ||
		rights.Reach(access.Action{Role: access.Admin}, "lab") != access.Nothing || rights.Reach(access.Action{Role: access.Viewer}, "other") != access.Nothing {
		t.Errorf("rights %+v, %v", rights, err)
	}

	for _, tt := range []struct {
		service *accesskeys.Service
		nonce   string
		fresh   bool
	}{{a, "n1", true}, {a, "n1", false}, {b, "n1", false}, {b, "n2", true}, {a, "n2", false}} {
		if fresh, err := tt.service.Use(t.Context(), key.ID, tt.nonce, time.Minute, "192.0.2.9"); err != nil || fresh != tt.fresh {
			t.Errorf("nonce %s is new: %v, %v", tt.nonce, fresh, err)
		}
	}
	if got, err := b.Get(t.Context(), key.ID); err != nil || got.LastAddress != "192.0.2.9" || time.Since(got.LastUsedAt) > time.Minute {
		t.Errorf("after its use: %+v, %v", got, err)
	}
	redis.FastForward(time.Minute)
	if fresh, err := a.Use(t.Context(), key.ID, "n1", time.Minute, ""); err != nil || !fresh {
		t.Errorf("a nonce does not end: %v", err)
	}

	order := gateway.Order{Origin: gateway.Origin{Actor: "bob"}}
	if got, err := b.Disable(t.Context(), order, key.ID); err != nil || got.State != accesskeys.Disabled {
		t.Errorf("disabled: %+v, %v", got, err)
	}
	if got, _, err := a.Secret(t.Context(), key.ID); err != nil || got.State != accesskeys.Disabled {
		t.Errorf("disabled, on another instance: %+v, %v", got, err)
	}
	for range 2 { // again changes nothing
		if got, err := a.Enable(t.Context(), order, key.ID); err != nil || got.State != accesskeys.Active {
			t.Errorf("enabled: %+v, %v", got, err)
		}
	}
	if err := b.Delete(t.Context(), order, key.ID); err != nil {
		t.Error(err)
	}
	if _, _, err := a.Secret(t.Context(), key.ID); gateway.KindOf(err) != gateway.KindNotFound {
		t.Errorf("deleted: %v", err)
	}
	if err := b.Delete(t.Context(), order, key.ID); gateway.KindOf(err) != gateway.KindNotFound {
		t.Errorf("deleted twice: %v", err)
	}
	entries, _, err := s.ReadAudit(t.Context(), store.AuditFilter{Target: key.ID}, 100)
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range entries {
		actions = append(actions, e.Action+" by "+e.Actor)
	}
	if got := strings.Join(actions, ", "); got != "access-key.delete by bob, access-key.enable by bob, access-key.disable by bob, access-key.create by ann" {
		t.Errorf("the audit has %s", got)
	}
	if text, _ := json.Marshal(entries); strings.Contains(string(text), "sealed") || strings.Contains(string(text), secret) {
		t.Errorf("the audit has the secret: %s", text)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s, _ := storetest.Mini(t)
	a := newService(t, s, oldKey)
	for want, change := range map[string]func(*accesskeys.CreateRequest){
		"name:":              func(r *accesskeys.CreateRequest) { r.Name = " x" },
		"role:":              func(r *accesskeys.CreateRequest) { r.Role = access.None },
		"at least one":       func(r *accesskeys.CreateRequest) { r.Workspaces = nil },
		"listed twice":       func(r *accesskeys.CreateRequest) { r.Workspaces = []string{"a", "a"} },
		"must be alone":      func(r *accesskeys.CreateRequest) { r.Workspaces = []string{"a", "*"} },
		"workspaces: must b": func(r *accesskeys.CreateRequest) { r.Workspaces = []string{"Not A Name"} },
		"user:":              func(r *accesskeys.CreateRequest) { r.User = "two words" },
	} {
		r := request()
		change(&r)
		if _, _, err := a.Create(t.Context(), r); gateway.KindOf(err) != gateway.KindInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	a.Configure(nil)
	if _, _, err := a.Create(t.Context(), request()); gateway.KindOf(err) != gateway.KindConflict || !strings.Contains(err.Error(), "sealing_key") {
		t.Errorf("without a sealing key: %v", err)
	}
	if keys, err := a.List(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	for name, texts := range map[string][]string{"short": {"too short"}, "short second": {oldKey, "too short"}} {
		if _, err := accesskeys.NewSealer(texts); err == nil || strings.Contains(err.Error(), "too short") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReseal replaces the sealing key.
func TestReseal(t *testing.T) {
	t.Parallel()
	s, _ := storetest.Mini(t)
	a := newService(t, s, oldKey)
	secrets := make(map[string]string)
	for range 3 {
		key, secret, err := a.Create(t.Context(), request())
		if err != nil {
			t.Fatal(err)
		}
		secrets[key.ID] = secret
	}
	opens := func(texts ...string) (n int) {
		service := newService(t, s, texts...)
		for id, secret := range secrets {
			if _, got, err := service.Secret(t.Context(), id); err == nil && got == secret {
				n++
			} else if gateway.KindOf(err) != gateway.KindUnavailable || strings.Contains(err.Error(), oldKey) {
				t.Errorf("opening: %v", err)
			}
		}
		return n
	}
	if opens(newKey, oldKey) != 3 || opens(newKey) != 0 {
		t.Error("before: the new key opens, or the old one does not")
	}
	a.Configure(sealer(t, newKey, oldKey))
	for _, want := range []int{3, 0} {
		if n, err := a.Reseal(t.Context()); err != nil || n != want {
			t.Errorf("sealed anew: %d, %v; want %d", n, err, want)
		}
	}
	if opens(newKey) != 3 || opens(oldKey) != 0 {
		t.Error("after: the old key opens, or the new one does not")
	}
	entries, _, err := s.ReadAudit(t.Context(), store.AuditFilter{}, 100)
	if err != nil || len(entries) != 3 {
		t.Errorf("%d audit entries, %v", len(entries), err)
	}
}

// TestSealed: what is sealed opens only for its purpose, and if nothing was changed.
func TestSealed(t *testing.T) {
	t.Parallel()
	s := sealer(t, oldKey)
	sealed, err := s.Seal("purpose", "secret")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open("purpose", sealed); err != nil || got != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := s.Open("another", sealed); err == nil {
		t.Error("it opens for another purpose")
	}
	for i := range sealed {
		changed := sealed[:i] + string(sealed[i]^1) + sealed[i+1:]
		if got, err := s.Open("purpose", changed); err == nil && got != "secret" || err == nil && i < len(sealed)-1 {
			t.Errorf("it opens with a change at %d", i)
		}
	}
	if other, _ := s.Seal("purpose", "secret"); other == sealed {
		t.Error("the same is sealed to the same text")
	}
}

// TestTokenTexts can be read once, within their time, by who made the token.
func TestTokenTexts(t *testing.T) {
	t.Parallel()
	s, redis := storetest.Mini(t)
	a, b := newService(t, s, oldKey), newService(t, s, newKey, oldKey)
	take := func(from *accesskeys.Service, id, caller string) string {
		text, err := from.TakeTokenText(t.Context(), id, caller)
		if err != nil {
			t.Error(err)
		}
		return text
	}
	for _, id := range []string{"lctk-1", "lctk-2"} {
		if err := a.KeepTokenText(t.Context(), id, "lcak-1", "the text of "+id); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(redis.Dump(), "the text of") {
		t.Error("a text is in Redis in clear")
	}
	if got := take(b, "lctk-1", "lcak-2"); got != "" {
		t.Errorf("another caller reads %q", got)
	}
	if got := take(b, "lctk-1", "lcak-1"); got != "the text of lctk-1" {
		t.Errorf("read %q", got)
	}
	if got := take(a, "lctk-1", "lcak-1"); got != "" {
		t.Errorf("read twice: %q", got)
	}
	redis.FastForward(accesskeys.TokenTextLife)
	if got := take(a, "lctk-2", "lcak-1"); got != "" {
		t.Errorf("read too late: %q", got)
	}
}
