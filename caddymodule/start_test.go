package caddymodule

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/livygateway/livygateway/internal/store"
)

func loadWithRedis(t *testing.T, address string) error {
	t.Helper()
	text := fmt.Sprintf("{\n\tadmin off\n\tpersist_config off\n\tlivy {\n\t\tredis redis://%s/0\n\t\truntime static\n\t\tengine x {\n\t\t\turl http://127.0.0.1:1\n\t\t}\n\t}\n}\n", address)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caddy.Stop() })
	return caddy.Load(config, true)
}

func TestStartMarksTheSchema(t *testing.T) {
	m := miniredis.RunT(t)
	if err := loadWithRedis(t, m.Addr()); err != nil {
		t.Fatal(err)
	}
	if got, _ := m.Get("livygw:schema"); got != strconv.Itoa(store.SchemaVersion) {
		t.Errorf("schema is %q", got)
	}
}

func TestStartRefusesDataOfANewerVersion(t *testing.T) {
	m := miniredis.RunT(t)
	if err := m.Set("livygw:schema", "99"); err != nil {
		t.Fatal(err)
	}
	if err := loadWithRedis(t, m.Addr()); err == nil || !strings.Contains(err.Error(), "schema 99") {
		t.Errorf("error %v, want one that names the schema", err)
	}
}

// JSON can have values that the parser of the Caddyfile refuses.
func TestValidateBounds(t *testing.T) {
	for option, value := range map[string]string{
		"max_body": "-1", "max_code": "-1", "max_upload": "-1", "start_timeout": `"-3m"`, "retention": `"59m"`, "audit_retention": `"59m"`,
		"tokens": `{"max_lifetime": "23h"}`, "tokens ": `{"grace": "-1s"}`,
	} {
		text := fmt.Sprintf(`{"admin": {"disabled": true}, "apps": {"livy": {"runtime": {"runtime": "static"}, "engines": [{"name": "x", "url": "http://127.0.0.1:1"}], %q: %s}}}`,
			strings.TrimSpace(option), value)
		var config caddy.Config
		if err := json.Unmarshal([]byte(text), &config); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&config); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(option)) {
			t.Errorf("%s %s: error %v, want one that names it", option, value, err)
		}
	}
}

// Of several errors, the same one is reported every time.
func TestBoundsAreCheckedInOrder(t *testing.T) {
	app := App{Retention: 1, AuditRetention: 1, StartTimeout: 1}
	app.MaxBody, app.MaxCode, app.MaxUpload = -1, -1, -1
	for range 20 {
		if err := app.validateBounds(); err == nil || !strings.HasPrefix(err.Error(), "max_body ") {
			t.Fatalf("sizes: %v", err)
		}
	}
	app.MaxBody, app.MaxCode, app.MaxUpload = 0, 0, 0
	for range 20 {
		if err := app.validateBounds(); err == nil || !strings.HasPrefix(err.Error(), "start_timeout ") {
			t.Fatalf("durations: %v", err)
		}
	}
}

func TestStartWaitsForRedis(t *testing.T) {
	m := miniredis.RunT(t)
	address := m.Addr()
	m.Close()
	if err := loadWithRedis(t, address); err != nil {
		t.Fatalf("a Redis that is away must not keep Caddy from starting: %v", err)
	}
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		if got, _ := m.Get("livygw:schema"); got == strconv.Itoa(store.SchemaVersion) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the schema was not marked once Redis was there")
}
