package control

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/upstream"
)

// Login holds the credentials of the gateway itself for Livy servers that require a login.
type Login = resolved.Login

// Livy returns a client for a running gateway's Livy server. It logs in if the server
// requires it and a login is configured.
func (m *Manager) Livy(g *gateway.Gateway) *livy.Client {
	c := &livy.Client{Base: "http://" + g.Status.Address, HTTP: m.HTTP}
	l := m.resolve(g).inForce.Login // the login of the running server
	if l.User == "" {
		return c
	}
	c.User, c.Password = l.User, l.Password
	c.HTTP = m.loggedIn(g, l)
	return c
}

// loggedIn is an HTTP client with the cookie of a login at one Livy server, so that
// not every request causes an LDAP query.
type loggedIn struct {
	login    Login
	instance string
	http     *http.Client
}

func (m *Manager) loggedIn(g *gateway.Gateway, l Login) *http.Client {
	if v, ok := m.logins.Load(g.ServerID()); ok {
		if in := v.(loggedIn); in.login == l && in.instance == g.Status.Instance {
			return in.http
		}
	}
	jar, _ := cookiejar.New(nil) // never fails
	client := *m.HTTP
	client.Jar = jar
	m.logins.Store(g.ServerID(), loggedIn{login: l, instance: g.Status.Instance, http: &client})
	return &client
}

// version returns the version of a Livy server, logging in if that is required. If the
// server refuses the login too, it returns the promised version.
func (m *Manager) version(ctx context.Context, g *gateway.Gateway, address string) (string, error) {
	version, err := upstream.GetVersion(ctx, address)
	if err != nil || version != "" {
		return version, err
	}
	at := *g
	at.Status.Address = address
	v, err := m.Livy(&at).Version(ctx)
	if livy.IsRefused(err) {
		return m.Effective(g).LivyVersion, nil
	}
	return v.Version, err
}

// refusedPause is the pause after a Livy server has refused the gateway's login: wrong
// logins every few seconds could lock the account in the directory.
const refusedPause = 5 * time.Minute

// refusal records that a Livy server refused the gateway's login.
type refusal struct {
	login    Login
	instance string
	until    time.Time
}

// recentlyRefused reports whether the Livy server refused this login less than
// refusedPause ago.
func (r *reconciler) recentlyRefused(g *gateway.Gateway) bool {
	last := r.refusal
	return last.instance == g.Status.Instance && last.login == r.m.resolve(g).inForce.Login &&
		r.m.Now().Before(last.until)
}

// recordVisibility records in the gateway's status whether the Livy server accepts the
// gateway's login; err is the result of the last request.
func (r *reconciler) recordVisibility(ctx context.Context, g *gateway.Gateway, err error) error {
	unseen := ""
	if livy.IsRefused(err) {
		l := r.m.resolve(g).inForce.Login
		r.refusal = refusal{login: l, instance: g.Status.Instance, until: r.m.Now().Add(refusedPause)}
		if unseen = r.m.resolve(g).inForce.CannotSee(); unseen == "" {
			unseen = fmt.Sprintf("Livy refuses %s (user %s)", l, l.User)
		}
	} else if err != nil {
		return nil // inconclusive
	}
	if unseen == g.Status.Unseen {
		return nil
	}
	if unseen != "" {
		r.m.Logger.Warn("cannot follow the sessions and batches of a gateway",
			zap.String("gateway", g.ID), zap.String("name", g.Ref()), zap.String("reason", unseen))
	}
	_, err = r.update(ctx, func(g *gateway.Gateway) error {
		g.Status.Unseen = unseen
		return nil
	})
	return err
}
