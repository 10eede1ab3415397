package integration

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// startSlapd starts a directory server with the users ann and svc on an address of
// this machine, and returns its URL and a function that counts the logins of a user.
func startSlapd(t *testing.T, host string) (url string, logins func(user string) int) {
	t.Helper()
	slapd, err := exec.LookPath("slapd")
	if err != nil {
		slapd = "/usr/sbin/slapd"
		_, err = os.Stat(slapd)
	}
	require.Need(t, require.LDAP, err == nil, "slapd is not installed (Debian: apt-get install slapd)")
	dir := t.TempDir()
	url = "ldap://" + net.JoinHostPort(host, sparePort(t))
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
userPassword: anns-secret-word

dn: uid=svc,ou=people,dc=lab
objectClass: inetOrgPerson
uid: svc
cn: The gateway itself
sn: Gateway
userPassword: `+svcPassword+`
`)
	if out, err := exec.Command(slapd, "-T", "add", "-f", conf, "-l", people).CombinedOutput(); err != nil {
		t.Fatalf("filling the directory: %v: %s", err, out)
	}
	daemon(t, dir, nil, slapd, "-d", "256", "-h", url, "-f", conf)
	return url, func(user string) int {
		logs, _ := filepath.Glob(filepath.Join(dir, "log*"))
		n := 0
		for _, log := range logs {
			text, err := os.ReadFile(log)
			if err != nil {
				t.Error(err)
			}
			n += strings.Count(string(text), `BIND dn="uid=`+user+`,ou=people,dc=lab" method`)
		}
		return n
	}
}

const svcPassword = "the-gateways-own-password"

// TestLDAP shows that logins go to Livy in addition to tokens: a gateway with
// LDAP in livy.conf wants both. The gateway itself logs in too, to follow what
// lives and to stop when idle; where it has no login it says so and keeps quiet.
func TestLDAP(t *testing.T) {
	l := oneLive(t)
	url, logins := startSlapd(t, hostOf(t, l))
	secret := filepath.Join(t.TempDir(), "password")
	write(t, secret, svcPassword+"\n")
	redis := storetest.StartServer(t)
	c := newCaddy(t, redis, l.livyBlock+`
		start_timeout 6m
		ldap_login lab {
			url      `+url+`
			base_dn  ou=people,dc=lab
			user     svc
			password {file.`+secret+`}
		}`)
	conf := "livy.file.local-dir-whitelist " + jobDir(l) + "\nlivy.server.auth.type ldap\nlivy.server.auth.ldap.url " + url + "\n"
	quietConf, livyConf := filepath.Join(c.dir, "quiet.conf"), filepath.Join(c.dir, "livy.conf")
	// The same to LDAP, but not the login's: it must not be tried on a guess.
	write(t, quietConf, conf+"livy.server.auth.ldap.base-dn ou=People,dc=lab\n")
	write(t, livyConf, conf+"livy.server.auth.ldap.base-dn ou=people,dc=lab\nlivy.server.access-control.enabled true\nlivy.server.access-control.allowed-users ann\n")
	quiet := c.newGateway("quiet", "--livy-conf", quietConf)
	if _, err := c.tryLivy("gateway", "update", "quiet", "--auto-stop", "45"); err == nil || !strings.Contains(err.Error(), "no ldap_login") {
		t.Errorf("auto-stop without a look at sessions: %v", err)
	}
	g := c.newGateway("etl", "--livy-conf", livyConf, "--auto-stop", "45")
	if l.runtime == "docker" {
		copyJob(t, g)
	}
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
		{"token and login", tok, "ann", "anns-secret-word", []int{200}},
		{"token and a wrong password", tok, "ann", "wrong", []int{401, 403}},
		{"token and an unknown user", tok, "bob", "anns-secret-word", []int{401, 403}},
		{"token alone", tok, "", "", []int{401}},
		{"login alone", "", "ann", "anns-secret-word", []int{401}},
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
	res, text := ask("POST", "/batches", tok, "ann", "anns-secret-word", `{"file":"`+jobFile(l)+`"}`)
	var b struct {
		ID    int
		Owner string
	}
	if err := json.Unmarshal([]byte(text), &b); err != nil || res.StatusCode != http.StatusCreated || b.Owner != "ann" {
		t.Fatalf("a batch of ann's: %d %s", res.StatusCode, text)
	}
	eventually(t, 3*time.Minute, "the batch at its end", func() bool {
		_, text := ask("GET", "/batches/0/state", tok, "ann", "anns-secret-word", "")
		if strings.Contains(text, "dead") || strings.Contains(text, "error") {
			t.Fatalf("the batch failed: %s", text)
		}
		return strings.Contains(text, "success")
	})
	eventually(t, 30*time.Second, "the record being brought up to date", func() bool {
		rec := c.records("etl")
		return len(rec) == 1 && rec[0].State == "success"
	})
	if notes := notesOf(c, "etl"); notes != "" {
		t.Errorf("notes of a gateway that sees its sessions: %s", notes)
	}
	if n := logins("svc"); n < 1 || n > 3 {
		t.Errorf("the gateway logged in %d times, want one, and then to be known by its cookie", n)
	}
	if notes := notesOf(c, "quiet"); !strings.Contains(notes, "no ldap_login for this directory") {
		t.Errorf("notes of a gateway that sees no sessions: %q", notes)
	}
	complained := regexp.MustCompile(`"polling Livy".*answered 40[13]`).MatchString(c.log())
	if n := unauthorized(t, l, quiet); n > 6 || complained {
		t.Errorf("the quiet gateway's Livy answered 401 %d times; in the log: %v", n, complained)
	}

	write(t, secret, "not-the-password")
	c.reload()
	eventually(t, 20*time.Second, "a note on the wrong password", func() bool {
		return strings.Contains(notesOf(c, "etl"), "Livy refuses login lab (user svc)")
	})
	write(t, secret, svcPassword)
	c.reload()
	eventually(t, 20*time.Second, "the right password", func() bool { return notesOf(c, "etl") == "" })
	for _, password := range []string{"anns-secret-word", svcPassword} {
		assertNowhere(t, password, c, redis, g)
	}
}

func notesOf(c *caddy, name string) string {
	c.t.Helper()
	var g struct{ Notes []string }
	c.json(&g, "gateway", "show", name, "--json")
	return strings.Join(g.Notes, "\n")
}

// unauthorized counts the 401 in a Livy server's own access log.
func unauthorized(t *testing.T, l live, g gateway) (n int) {
	t.Helper()
	if l.runtime == "docker" {
		out, err := exec.Command("docker", "exec", g.container(), "sh", "-c", "cat /var/log/livy/*.request.log").Output()
		if err != nil {
			t.Errorf("reading Livy's access log: %v", err)
		}
		return strings.Count(string(out), `" 401 `)
	}
	logs, _ := filepath.Glob(filepath.Join(l.stateDir, g.ID, "*", "work", "logs", "*.request.log"))
	if len(logs) == 0 {
		t.Error("Livy keeps no access log")
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		n += strings.Count(string(text), `" 401 `)
	}
	return n
}
