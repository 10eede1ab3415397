// Package livyadmin has the Caddy modules for managing and monitoring gateways: the management
// API on the admin endpoint and on sites, and the health check of an instance.
package livyadmin

import (
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/cli"
	"github.com/livygateway/livygateway/internal/gateway"
)

func init() {
	caddy.RegisterModule(new(Admin))
}

// Admin serves the management API on Caddy's admin endpoint, below `/livy/`. The command line
// (`caddy livy ...`) uses it. Whoever can connect to the admin endpoint has full control: make it
// reachable only from this machine.
type Admin struct {
	mu      sync.Mutex
	core    *core.Core // of handler
	handler http.Handler
}

// CaddyModule returns the Caddy module information.
func (*Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.livy", New: func() caddy.Module { return new(Admin) }}
}

// Routes returns the only route. The API routes requests further.
func (a *Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/livy/", Handler: caddy.AdminHandlerFunc(a.serve)}}
}

func (a *Admin) serve(w http.ResponseWriter, r *http.Request) error {
	c := core.InForce()
	if c == nil {
		return caddy.APIError{
			HTTPStatus: http.StatusServiceUnavailable,
			Err:        gateway.Errorf(gateway.KindUnavailable, "the configuration in force has no livy app"),
		}
	}
	if r.URL.Path == "/livy/doctor" {
		app, err := core.AppOf(caddy.ActiveContext())
		if err != nil {
			return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
		}
		return app.ServeDoctor(w, r)
	}
	http.StripPrefix("/livy", a.handlerFor(c)).ServeHTTP(w, r)
	return nil
}

func (a *Admin) handlerFor(c *core.Core) http.Handler {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.core != c {
		a.core, a.handler = c, c.API.HandlerFor(api.Surface{
			Caller: func(r *http.Request) api.Caller { return api.Caller{Origin: adminOrigin(r), Unlimited: true} },
			Ended:  core.Replaced,
		})
	}
	return a.handler
}

// adminOrigin returns the origin of a request to the admin endpoint, which has no users. The
// command line sends the name of the user that ran it.
func adminOrigin(r *http.Request) gateway.Origin {
	o := gateway.Origin{Actor: "admin", Address: core.HostOf(r.RemoteAddr), Surface: "admin"}
	if user := r.Header.Get(cli.ActorHeader); user != "" && len(user) <= 64 {
		o.Actor = user
	}
	return o
}

// Interface guard
var _ caddy.AdminRouter = (*Admin)(nil)
