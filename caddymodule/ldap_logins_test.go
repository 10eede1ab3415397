package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/control"
)

func TestLDAPLogins(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOGIN_TEST_PASSWORD", "from-env")
	t.Setenv("LOGIN_TEST_EMPTY", "")
	block := func(password string) string {
		return "livy {\nldap_login lab {\nurl ldap://a\nbase_dn ou=people\nstart_tls\nuser svc\npassword " + password + "\n}\n}"
	}
	for name, tt := range map[string]struct{ text, password, err string }{
		"from a file":        {block("{file." + secret + "}"), "s3cret", ""},
		"from a variable":    {block("{env.LOGIN_TEST_PASSWORD}"), "from-env", ""},
		"the password":       {block("s3cret"), "", "must be a placeholder"},
		"none":               {"livy {\nldap_login lab {\nurl x\nbase_dn y\nuser z\n}\n}", "", "must be a placeholder"},
		"no such variable":   {block("{env.LOGIN_TEST_NOTHING}"), "", `ldap_login "lab": password: {env.LOGIN_TEST_NOTHING}: the environment variable "LOGIN_TEST_NOTHING" is not set`},
		"an empty variable":  {block("{env.LOGIN_TEST_EMPTY}"), "", "password: {env.LOGIN_TEST_EMPTY} is empty"},
		"no such file":       {block("{file.//nothing}"), "", "password: {file.//nothing} cannot be read: no such file"},
		"no user":            {strings.Replace(block("{env.LOGIN_TEST_PASSWORD}"), "user svc\n", "", 1), "", "user are required"},
		"an unknown setting": {strings.Replace(block("{env.X}"), "user svc", "group g", 1), "", `unknown option "group" of ldap_login`},
	} {
		t.Run(name, func(t *testing.T) {
			app, err := readApp(t, tt.text)
			var logins []control.Login
			if err == nil {
				if err = app.expand(zap.NewNop()); err == nil {
					logins, err = readLogins(app.LDAPLogins)
				}
			}
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("%v; want %q", err, tt.err)
				}
				return
			}
			want := control.Login{Name: "lab", URL: "ldap://a", BaseDN: "ou=people", StartTLS: true, User: "svc", Password: tt.password}
			if err != nil || len(logins) != 1 || logins[0] != want {
				t.Errorf("%v, %v", logins, err)
			}
		})
	}
}
