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

// Login is what the gateway itself logs in with at Livy servers that want logins.
type Login = resolved.Login

// Livy returns a client of a running gateway's Livy server, logged in where that
// is needed and possible.
func (m *Manager) Livy(g *gateway.Gateway) *livy.Client {
	c := &livy.Client{Base: "http://" + g.Status.Address, HTTP: m.HTTP}
	l := m.resolve(g).inForce.Login // whom the server asks that runs, and no other
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
		return m.Effective(g).LivyVersion, nil
	}
	return v.Version, err
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
	l := w.m.resolve(g).inForce.Login
	r := w.refusal
	return r.instance == g.Status.Instance && r.login == l && w.m.Now().Before(r.until)
}

// see notes whether the server answered the gateway's questions; err is the
// answer's.
func (w *worker) see(ctx context.Context, g *gateway.Gateway, err error) error {
	unseen := ""
	if livy.IsRefused(err) {
		l := w.m.resolve(g).inForce.Login
		w.refusal = refusal{login: l, instance: g.Status.Instance, until: w.m.Now().Add(refusedPause)}
		if unseen = w.m.resolve(g).inForce.CannotSee(); unseen == "" {
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
