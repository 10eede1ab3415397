package caddymodule

import (
	"net"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/cli"
	"github.com/livygateway/livygateway/internal/gateway"
)

func init() {
	caddy.RegisterModule(new(Admin))
}

// Admin serves the management API on Caddy's admin endpoint, below `/livy/`. The
// command line (`caddy livy ...`) uses it. Who may use the admin endpoint may do
// everything here: keep it on this machine.
type Admin struct {
	mu      sync.Mutex
	core    *core // of handler
	handler http.Handler
}

// CaddyModule returns the Caddy module information.
func (*Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.livy", New: func() caddy.Module { return new(Admin) }}
}

// Routes returns the one route; the API itself knows the rest.
func (a *Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/livy/", Handler: caddy.AdminHandlerFunc(a.serve)}}
}

func (a *Admin) serve(w http.ResponseWriter, r *http.Request) error {
	c := current.Load()
	if c == nil {
		return caddy.APIError{
			HTTPStatus: http.StatusServiceUnavailable,
			Err:        gateway.Errorf(gateway.KindUnavailable, "the configuration in force has no livy app"),
		}
	}
	if r.URL.Path == "/livy/doctor" {
		return a.serveDoctor(w, r)
	}
	http.StripPrefix("/livy", a.handlerFor(c)).ServeHTTP(w, r)
	return nil
}

func (a *Admin) handlerFor(c *core) http.Handler {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.core != c {
		a.core, a.handler = c, c.api.HandlerFor(api.Surface{
			Caller: func(r *http.Request) api.Caller { return api.Caller{Origin: adminOrigin(r), Unlimited: true} },
			Ended:  adminStreams.now,
		})
	}
	return a.handler
}

// adminOrigin is who used the admin endpoint: it knows no users, but the command
// line says who ran it.
func adminOrigin(r *http.Request) gateway.Origin {
	o := gateway.Origin{Actor: "admin", Address: hostOf(r.RemoteAddr), Surface: "admin"}
	if user := r.Header.Get(cli.ActorHeader); user != "" && len(user) <= 64 {
		o.Actor = user
	}
	return o
}

// adminStreams are the streams of events on the admin endpoint. They end with each
// configuration, since Caddy makes that endpoint anew and waits for the old one.
var adminStreams = generation{ended: make(chan struct{})}

// generation tells what has to end from what began later.
type generation struct {
	mu    sync.Mutex
	ended chan struct{}
}

// now returns a channel that is closed with the next call of end.
func (g *generation) now() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ended
}

// end ends all that has begun.
func (g *generation) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.ended)
	g.ended = make(chan struct{})
}

// hostOf is the host of host:port.
func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// Interface guard
var _ caddy.AdminRouter = (*Admin)(nil)
