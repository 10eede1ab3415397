package control

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/upstream"
)

// Keys of livy.conf that are about logins.
const (
	authTypeKey = "livy.server.auth.type"
	ldapURLKey  = "livy.server.auth.ldap.url"
	ldapBaseKey = "livy.server.auth.ldap.base-dn"
	startTLSKey = "livy.server.auth.ldap.enable-start-tls"
)

// Login is a user of an LDAP directory as which the gateway itself asks Livy
// servers that want logins: it reads their lists and closes sessions.
type Login struct {
	Name string
	// URL and BaseDN are those of livy.conf. Livy passes passwords on to whatever
	// directory livy.conf names, and people write that: a login is shown only to
	// Livy servers that ask this very directory.
	URL, BaseDN string
	// StartTLS says that the login is only for Livy servers that ask with StartTLS.
	StartTLS       bool
	User, Password string
}

// String leaves the password out, whoever prints it.
func (l Login) String() string { return "login " + l.Name }

// GoString is String.
func (l Login) GoString() string { return l.String() }

// login is what the gateway itself logs in with at a gateway's Livy server;
// needed says whether that wants logins at all.
func (m *Manager) login(g *gateway.Gateway) (l Login, needed bool) {
	// A text that cannot be read is refused when it is rendered.
	conf, _ := upstream.ParseConf(upstream.LivyConf, g.Spec.LivyConf)
	switch upstream.Lookup(conf, authTypeKey) {
	case "":
		return Login{}, false
	case "ldap":
		url, base := words(upstream.Lookup(conf, ldapURLKey)), upstream.Lookup(conf, ldapBaseKey)
		for _, l := range m.settings.Load().Logins {
			if words(l.URL) == url && l.BaseDN == base && (!l.StartTLS || upstream.Lookup(conf, startTLSKey) == "true") {
				return l, true
			}
		}
	}
	return Login{}, true
}

// words takes superfluous blanks out of a list of URLs.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// Livy returns a client of a running gateway's Livy server, logged in where that
// is needed and possible.
func (m *Manager) Livy(g *gateway.Gateway) *livy.Client {
	c := &livy.Client{Base: "http://" + g.Status.Address, HTTP: m.HTTP}
	l, _ := m.login(inForce(g)) // whom the server asks that runs, and no other
	if l.User == "" {
		return c
	}
	c.User, c.Password = l.User, l.Password
	c.HTTP = m.loggedIn(g, l)
	return c
}

// loggedIn is an HTTP client with the cookie by which one Livy server knows a
// login again, so that not each question of ours is one to the directory.
type loggedIn struct {
	login    Login
	instance string
	http     *http.Client
}

func (m *Manager) loggedIn(g *gateway.Gateway, l Login) *http.Client {
	if v, ok := m.logins.Load(g.ID); ok {
		if in := v.(loggedIn); in.login == l && in.instance == g.Status.Instance {
			return in.http
		}
	}
	jar, _ := cookiejar.New(nil) // never fails
	client := *m.HTTP
	client.Jar = jar
	m.logins.Store(g.ID, loggedIn{login: l, instance: g.Status.Instance, http: &client})
	return &client
}

// version asks a server that does not tell its version to everybody; one that
// refuses the login too is believed to be what was promised.
func (m *Manager) version(ctx context.Context, g *gateway.Gateway, address string) (string, error) {
	version, err := upstream.GetVersion(ctx, address)
	if err != nil || version != "" {
		return version, err
	}
	at := *g
	at.Status.Address = address
	v, err := m.Livy(&at).Version(ctx)
	if livy.IsRefused(err) {
		return g.Spec.LivyVersion, nil
	}
	return v.Version, err
}

// cannotSee says why the gateway cannot read a Livy server's lists, "" if it can
// as far as is known without asking.
func (m *Manager) cannotSee(g *gateway.Gateway) string {
	l, needed := m.login(g)
	if !needed || l.User != "" {
		return ""
	}
	return "livy.conf lets only users in that log in, and the configuration has no ldap_login for this directory"
}

// refusedPause is how long a Livy server that refused us is left alone: wrong
// logins every few seconds would lock the user out of the directory.
const refusedPause = 5 * time.Minute

// refusal is a Livy server that refused the gateway's own questions.
type refusal struct {
	login    Login
	instance string
	until    time.Time
}

// refused says whether there is no use in asking a Livy server now.
func (w *worker) refused(g *gateway.Gateway) bool {
	l, _ := w.m.login(inForce(g))
	r := w.refusal
	return r.instance == g.Status.Instance && r.login == l && w.m.Now().Before(r.until)
}

// see notes whether the server answered the gateway's questions; err is the
// answer's.
func (w *worker) see(ctx context.Context, g *gateway.Gateway, err error) error {
	unseen := ""
	if livy.IsRefused(err) {
		l, _ := w.m.login(inForce(g))
		w.refusal = refusal{login: l, instance: g.Status.Instance, until: w.m.Now().Add(refusedPause)}
		if unseen = w.m.cannotSee(inForce(g)); unseen == "" {
			unseen = fmt.Sprintf("Livy refuses %s (user %s)", l, l.User)
		}
	} else if err != nil {
		return nil // nothing learnt
	}
	if unseen == g.Status.Unseen {
		return nil
	}
	if unseen != "" {
		w.m.Logger.Warn("sessions and batches of a gateway cannot be followed",
			zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.String("reason", unseen))
	}
	_, err = w.update(ctx, func(g *gateway.Gateway) error {
		g.Status.Unseen = unseen
		return nil
	})
	return err
}
