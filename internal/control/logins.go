package control

import (
	"context"
	"errors"
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
	r := m.resolve(g)
	if livy.IsURL(g.Status.Address) {
		c.Base, c.HTTP = g.Status.Address, noServer
		if s := r.server(g.Status.Address); s != nil {
			c.HTTP = s.Client()
			if s.LogsIn() {
				return c
			}
		}
	}
	l := r.inForce.Login // the login of the running server
	if l.User == "" {
		return c
	}
	c.User, c.Password = l.User, l.Password
	c.HTTP = m.loggedIn(g, l, c.HTTP)
	return c
}

// server returns the Livy server at a URL, nil if no engine of the gateway has it any more.
func (r *resolution) server(address string) *livy.Server {
	for _, e := range []*gateway.Engine{&r.inForce.Engine, &r.wanted.Engine} {
		if e.URL == "" {
			continue
		}
		for n := 1; n <= 1+len(e.URLs); n++ {
			if s, err := e.At(n).LivyServer(); err == nil && s.Address() == address {
				return s
			}
		}
	}
	return nil
}

// noServer fails all requests to a server whose address and login the configuration does not
// have any more. The login of another one must not be sent there.
var noServer = &http.Client{Transport: noTransport{}}

// ErrNoServer is the error of requests to such a server.
var ErrNoServer = errors.New("the engine in the configuration is another Livy server now")

type noTransport struct{}

func (noTransport) RoundTrip(*http.Request) (*http.Response, error) { return nil, ErrNoServer }

// Server returns the Livy server that somebody else runs and that is not just host:port. It is
// nil for all others, and with an error if the configuration does not have it any more.
func (e *Entry) Server() (*livy.Server, error) {
	if !e.byURL {
		return nil, nil
	}
	if e.server == nil {
		return nil, ErrNoServer
	}
	return e.server, nil
}

// loggedIn is an HTTP client with the cookie of a login at one Livy server, so that
// not every request causes an LDAP query.
type loggedIn struct {
	login     Login
	instance  string
	transport http.RoundTripper
	http      *http.Client
}

func (m *Manager) loggedIn(g *gateway.Gateway, l Login, by *http.Client) *http.Client {
	if v, ok := m.logins.Load(g.ServerID()); ok {
		if in := v.(loggedIn); in.login == l && in.instance == g.Status.Instance && in.transport == by.Transport {
			return in.http
		}
	}
	jar, _ := cookiejar.New(nil) // never fails
	client := *by
	client.Jar = jar
	m.logins.Store(g.ServerID(), loggedIn{login: l, instance: g.Status.Instance, transport: by.Transport, http: &client})
	return &client
}

// version returns the version of a Livy server, logging in if that is required. If the
// server refuses the login too, it returns the promised version.
func (m *Manager) version(ctx context.Context, g *gateway.Gateway, address string) (string, error) {
	version, err := m.plainVersion(ctx, g, address)
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

// plainVersion returns the version of a Livy server without an LDAP login.
func (m *Manager) plainVersion(ctx context.Context, g *gateway.Gateway, address string) (string, error) {
	if !livy.IsURL(address) {
		return upstream.GetVersion(ctx, address)
	}
	s := m.resolve(g).server(address)
	if s == nil {
		return "", ErrNoServer
	}
	return upstream.VersionOf(ctx, s)
}

// refusedPause is the pause after a Livy server has refused the gateway's login: wrong
// logins every few seconds could lock the account in the directory.
const refusedPause = 5 * time.Minute

// refusal records that a Livy server refused the gateway's login.
type refusal struct {
	login    Login
	server   *livy.Server // another configuration has another one
	instance string
	until    time.Time
}

// recentlyRefused reports whether the Livy server refused this login less than
// refusedPause ago.
func (r *reconciler) recentlyRefused(g *gateway.Gateway) bool {
	last, now := r.refusal, r.m.resolve(g)
	return last.instance == g.Status.Instance && last.login == now.inForce.Login &&
		last.server == now.inForce.Engine.Server && r.m.Now().Before(last.until)
}

// recordVisibility records in the gateway's status whether the Livy server accepts the
// gateway's login; err is the result of the last request.
func (r *reconciler) recordVisibility(ctx context.Context, g *gateway.Gateway, err error) error {
	unseen := ""
	if livy.IsRefused(err) {
		now := r.m.resolve(g).inForce
		l := now.Login
		r.refusal = refusal{
			login: l, server: now.Engine.Server, instance: g.Status.Instance, until: r.m.Now().Add(refusedPause),
		}
		switch {
		case now.Engine.Server != nil && now.Engine.Server.LogsIn():
			unseen = fmt.Sprintf("%s refuses the login that engine %s has for it", now.Engine.URL, now.Engine.Name)
		case now.CannotSee() != "":
			unseen = now.CannotSee()
		default:
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
