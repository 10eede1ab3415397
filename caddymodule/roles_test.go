package caddymodule

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/map"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy/forwardauth"

	"github.com/livygateway/livygateway/internal/doctor"
)

const testRoles = `roles {
	admin user ann group platform
	workspace default {
		member group team
	}
}`

func TestExamineRoles(t *testing.T) {
	for _, tt := range []struct {
		name, sites, inLivy string
		want                doctor.Status
	}{
		{"no roles", ":28101 {\nlivy_api\n}", "", doctor.Warn},
		{"roles", ":28101 {\nlivy_api\n}", testRoles, doctor.OK},
		{"no API", ":28101 {\nlivy_gateway\n}", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report := examined(t, "", "", tt.sites, tt.inLivy)
			if got := statuses(report)["roles :28101"]; got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestExamineLogins(t *testing.T) {
	const auth = "basic_auth {\nann $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n}\n"
	for name, tt := range map[string]struct {
		sites string
		want  doctor.Status
	}{
		"none":                     {":28111 {\nlivy_api\n}", doctor.Warn},
		"basic_auth":               {":28111 {\n" + auth + "livy_api\n}", doctor.OK},
		"in a handle":              {":28111 {\n" + auth + "handle /v1/* {\nlivy_api\n}\n}", doctor.OK},
		"of another site":          {"http://a.test:28111 {\n" + auth + "livy_gateway\n}\nhttp://b.test:28111 {\nlivy_api\n}", doctor.Warn},
		"of its own site":          {"http://a.test:28111 {\n" + auth + "livy_api\n}\nhttp://b.test:28111 {\nlivy_gateway\n}", doctor.OK},
		"a header of a proxy":      {":28111 {\nlivy_api {\nuser {http.request.header.Remote-User}\ntrusted_proxies 10.0.0.5\n}\n}", doctor.OK},
		"forward_auth alone":       {":28111 {\nforward_auth 127.0.0.1:1 {\nuri /\n}\nlivy_api\n}", doctor.Warn},
		"a user made with map":     {":28111 {\nmap {http.request.header.X} {http.auth.user.id} {\ndefault ann\n}\nlivy_api\n}", doctor.OK},
		"no management API at all": {":28111 {\nlivy_gateway\n}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := statuses(examined(t, "", "", tt.sites))["livy_api :28111"]; got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// JSON can have mistakes that the Caddyfile's parser refuses.
func TestBadRoles(t *testing.T) {
	for text, want := range map[string]string{
		`{"roles": {"grants": [{"role": "owner", "users": ["a"]}]}}`:                     "must be viewer",
		`{"roles": {"grants": [{"role": "admin"}]}}`:                                     "given to nobody",
		`{"roles": {"grants": [{"role": "admin", "workspace": "A B", "users": ["a"]}]}}`: "workspace",
		`{"roles": {"grants": [{"role": "admin", "groups": ["*"]}]}}`:                    "everybody who is logged in",
		`{"tokens": {"self_service": {"scopes": ["admin"]}}}`:                            "self_service",
		`{"tokens": {"self_service": {"max_lifetime": "1h"}}}`:                           "at least one day",
		`{"tokens": {"self_service": {"max_tokens": -1}}}`:                               "from 1 to 1000",
	} {
		app := &App{}
		if err := json.Unmarshal([]byte(text), app); err != nil {
			t.Fatal(err)
		}
		_, err := app.Roles.policy()
		if err == nil {
			err = app.Tokens.selfService().Validate()
			if err != nil {
				err = fmt.Errorf("self_service: %w", err)
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
