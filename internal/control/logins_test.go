package control

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

const ldapConf = "livy.server.auth.type ldap\nlivy.server.auth.ldap.url ldap://a:389  ldap://b:389\nlivy.server.auth.ldap.base-dn ou=people,dc=lab\n"

func labLogin() Login {
	return Login{Name: "lab", URL: "ldap://a:389 ldap://b:389", BaseDN: "ou=people,dc=lab", User: "svc", Password: "right"}
}

// Livy passes passwords on to the directory that livy.conf names, so a login is
// for one directory only.
func TestALoginIsForItsDirectoryOnly(t *testing.T) {
	for name, tt := range map[string]struct {
		conf         string
		change       func(*Login)
		needed, have bool
	}{
		"no logins":          {"livy.server.session.timeout 1h", func(*Login) {}, false, false},
		"its directory":      {ldapConf, func(*Login) {}, true, true},
		"another directory":  {strings.Replace(ldapConf, "a:389", "evil:389", 1), func(*Login) {}, true, false},
		"one more directory": {strings.Replace(ldapConf, "ldap://a", "ldap://evil ldap://a", 1), func(*Login) {}, true, false},
		"another base":       {strings.Replace(ldapConf, "ou=people", "ou=robots", 1), func(*Login) {}, true, false},
		"the later one wins": {ldapConf + "livy.server.auth.ldap.url ldap://evil\n", func(*Login) {}, true, false},
		"without StartTLS":   {ldapConf, func(l *Login) { l.StartTLS = true }, true, false},
		"with StartTLS":      {ldapConf + "livy.server.auth.ldap.enable-start-tls true", func(l *Login) { l.StartTLS = true }, true, true},
		"not LDAP":           {strings.Replace(ldapConf, "type ldap", "type kerberos", 1), func(*Login) {}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := labLogin()
			tt.change(&l)
			r := resolved.New(&resolved.Settings{Logins: []Login{l}}, gateway.Spec{LivyConf: tt.conf})
			if r.LoginNeeded != tt.needed || (r.Login.User == "svc") != tt.have {
				t.Errorf("login %q, needed %v", r.Login.User, r.LoginNeeded)
			}
		})
	}
}

func TestALoginHidesItsPassword(t *testing.T) {
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(form, []Login{labLogin()}); strings.Contains(text, "right") {
			t.Errorf("%s: %s", form, text)
		}
	}
}

// A Livy server that refuses the gateway is left alone for a while, and the
// gateway says why its sessions are not followed.
func TestARefusedLoginIsNotTriedAllTheTime(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := newFakeRuntime(t)
	m := testManager(t, s, rt)
	m.Close(false) // no reconcilers of its own
	clock := &testClock{now: time.UnixMilli(1_700_000_000_000)}
	m.Now = clock.Now
	ctx := context.Background()
	configure := func(password string) {
		l := labLogin()
		l.Password = password
		m.Configure(Settings{Settings: resolved.Settings{Catalog: *m.Catalog(), Logins: []Login{l}}, StartTimeout: time.Minute})
	}
	configure("wrong")
	var asked atomic.Int64
	rt.guard = func(r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		if user != "" {
			asked.Add(1)
		}
		return user == "svc" && password == "right"
	}
	g, err := m.Create(ctx, CreateRequest{Start: true, Spec: gateway.Spec{Name: "etl", LivyConf: ldapConf, AutoStop: gateway.AutoStop{Enabled: true}}})
	if err != nil {
		t.Fatal(err)
	}
	w := &reconciler{m: m, id: g.ID}
	for range 20 {
		w.step(ctx)
	}
	g = reread(t, m, g)
	// One question for the version, one for the lists.
	if g.Status.State != gateway.StateRunning || g.Status.LivyVersion != "0.8.0" || asked.Load() != 2 {
		t.Fatalf("asked %d times: %+v", asked.Load(), g.Status)
	}
	if notes := strings.Join(m.Notes(g), "\n"); !strings.Contains(notes, "Livy refuses login lab (user svc)") {
		t.Errorf("notes %q", notes)
	}
	clock.advance(refusedPause + time.Second)
	w.step(ctx)
	w.step(ctx)
	if n := asked.Load(); n != 3 {
		t.Errorf("asked %d times after the pause, want 3", n)
	}
	configure("right") // tried at once
	w.step(ctx)
	g = reread(t, m, g)
	if notes := m.Notes(g); asked.Load() < 5 || len(notes) != 0 || g.Status.Unseen != "" {
		t.Errorf("asked %d times, notes %q", asked.Load(), notes)
	}
}
