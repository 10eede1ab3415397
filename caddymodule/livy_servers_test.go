package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
)

// TestLivyServers: mistakes are found when the configuration is loaded, and no error has a secret.
func TestLivyServers(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const url = "url https://knox:8443/gateway/livy\n"
	password := "password {file." + secret + "}\n"
	for name, tt := range map[string]struct{ options, err string }{
		"plain":                {"url http://h:8998\n", ""},
		"all of it":            {url + "user u\n" + password + "header X-Tenant a\nserver_name knox.example.com\n", ""},
		"a token":              {url + "header Authorization \"Bearer {file." + secret + "}\"\n", ""},
		"a password in it":     {url + "user u\npassword s3cret\n", "password must be a placeholder"},
		"a token in it":        {url + "header x-acs-spark-livy-token s3cret\n", "must have a placeholder"},
		"a login in the URL":   {"url https://u:s3cret@h\n", "use user and password"},
		"a user alone":         {url + "user u\n", "password: goes with user"},
		"no such file":         {url + "user u\npassword {file.//nothing}\n", `engine "old": password: {file.//nothing} cannot be read`},
		"no such CA":           {url + "ca /no/such/ca.pem\n", "ca: must be a file that can be read"},
		"a key alone":          {url + "key /no/such/key.pem\n", "goes with cert"},
		"TLS without https":    {"url http://h:8998\nserver_name x\n", "needs a url that begins with https"},
		"no url":               {"livy_home /x\nuser u\n" + password, "need a url"},
		"another scheme":       {"url livy://h\n", "must be http://HOST:PORT or https://HOST:PORT"},
		"an unknown option":    {url + "insecure\n", `unknown option "insecure" of engine`},
		"a header of the HTTP": {url + "header Host x\n", "is a header that the gateway sets itself"},
	} {
		app, err := readApp(t, "livy {\nruntime static\nengine old {\n"+tt.options+"}\n}")
		if err == nil {
			if err = app.expand(zap.NewNop()); err == nil {
				err = app.expander.mask(app.connectEngines())
			}
		}
		switch {
		case tt.err == "" && (err != nil || app.Engines[0].Server == nil):
			t.Errorf("%s: %v", name, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "s3cret")):
			t.Errorf("%s: %v; want %q", name, err, tt.err)
		}
	}
	app := &App{LivyServers: []*LivyServer{{Name: "none", User: "u"}}}
	if err := app.connectEngines(); err == nil || !strings.Contains(err.Error(), `no engine "none"`) {
		t.Errorf("an engine that there is not: %v", err)
	}
}
