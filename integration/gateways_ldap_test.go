package integration

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/store/storetest"
)

// startSlapd starts a directory server with the user ann and returns its URL.
func startSlapd(t *testing.T) string {
	t.Helper()
	slapd, err := exec.LookPath("slapd")
	if err != nil {
		slapd = "/usr/sbin/slapd"
		_, err = os.Stat(slapd)
	}
	require.Need(t, require.LDAP, err == nil, "slapd is not installed (Debian: apt-get install slapd)")
	dir, url := t.TempDir(), "ldap://127.0.0.1:"+sparePort(t)
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	conf, people := filepath.Join(dir, "slapd.conf"), filepath.Join(dir, "people.ldif")
	write(t, conf, `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=lab"
directory `+dir+`/db
`)
	write(t, people, `dn: dc=lab
objectClass: dcObject
objectClass: organization
dc: lab
o: lab

dn: ou=people,dc=lab
objectClass: organizationalUnit
ou: people

dn: uid=ann,ou=people,dc=lab
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: Ann
userPassword: annspassword
`)
	if out, err := exec.Command(slapd, "-T", "add", "-f", conf, "-l", people).CombinedOutput(); err != nil {
		t.Fatalf("filling the directory: %v: %s", err, out)
	}
	daemon(t, dir, nil, slapd, "-d", "0", "-h", url, "-f", conf)
	return url
}

// TestLDAP shows that logins go to Livy in addition to tokens: a gateway with
// LDAP in livy.conf wants both.
func TestLDAP(t *testing.T) {
	l := processLive(t)
	url := startSlapd(t)
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock+"\nstart_timeout 6m")
	livyConf := filepath.Join(c.dir, "livy.conf")
	write(t, livyConf, "livy.file.local-dir-whitelist "+jobDir(l)+"\nlivy.server.auth.type ldap\nlivy.server.auth.ldap.url "+url+
		"\nlivy.server.auth.ldap.base-dn ou=people,dc=lab\n")
	c.newGateway("etl", "--livy-conf", livyConf)
	tok := c.newToken("etl").Token

	ask := func(method, path, token, user, password string, body string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(method, c.url("etl")+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set(tokenHeader, token)
		}
		if user != "" {
			req.SetBasicAuth(user, password)
		}
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		res, err := httpClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var text json.RawMessage
		_ = json.NewDecoder(res.Body).Decode(&text)
		return res, string(text)
	}
	for _, tt := range []struct {
		name, token, user, password string
		status                      []int
	}{
		{"token and login", tok, "ann", "annspassword", []int{200}},
		{"token and a wrong password", tok, "ann", "wrong", []int{401, 403}},
		{"token and an unknown user", tok, "bob", "annspassword", []int{401, 403}},
		{"token alone", tok, "", "", []int{401}},
		{"login alone", "", "ann", "annspassword", []int{401}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, text := ask("GET", "/sessions", tt.token, tt.user, tt.password, "")
			ok := false
			for _, status := range tt.status {
				ok = ok || res.StatusCode == status
			}
			if !ok {
				t.Errorf("status %d, want one of %v: %s", res.StatusCode, tt.status, text)
			}
		})
	}
	res, text := ask("POST", "/batches", tok, "ann", "annspassword", `{"file":"`+jobFile(l)+`"}`)
	var b struct {
		ID    int
		Owner string
	}
	if err := json.Unmarshal([]byte(text), &b); err != nil || res.StatusCode != http.StatusCreated || b.Owner != "ann" {
		t.Fatalf("a batch of ann's: %d %s", res.StatusCode, text)
	}
	eventually(t, 3*time.Minute, "the batch at its end", func() bool {
		_, text := ask("GET", "/batches/0/state", tok, "ann", "annspassword", "")
		if strings.Contains(text, "dead") || strings.Contains(text, "error") {
			t.Fatalf("the batch failed: %s", text)
		}
		return strings.Contains(text, "success")
	})
	if strings.Contains(c.log(), "annspassword") {
		t.Error("the password is in the log")
	}
}
