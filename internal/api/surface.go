package api

import (
	"net/http"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

// Surface is where the API is served: Caddy's admin endpoint, or a site.
type Surface struct {
	// Caller returns who makes a request.
	Caller func(*http.Request) Caller
	// Policy has the roles; nil gives every user who is logged in full access.
	Policy *access.Policy
	// SelfService limits the tokens that members make for themselves.
	SelfService tokens.SelfService
	// Ended returns a channel that is closed when the surface ends, for example because the
	// configuration is reloaded; event streams end then. Nil if it never ends.
	Ended func() <-chan struct{}
}

// Caller is who makes a request.
type Caller struct {
	gateway.Origin
	// Groups are the user's groups.
	Groups []string
	// Unlimited reports whether the caller has full access, whatever the policy.
	Unlimited bool
	// Rights are what the caller may do if that does not come from the policy; nil if it does.
	Rights *access.Rights
}

func (s *Server) newCall(surface *Surface, w http.ResponseWriter, r *http.Request) *call {
	who := surface.Caller(r)
	principal := access.Principal{User: who.Actor, Groups: who.Groups}
	rights := surface.Policy.Of(principal)
	switch {
	case who.Rights != nil:
		rights = *who.Rights
	case who.Unlimited:
		rights = access.Unlimited(principal)
	}
	o := who.Origin
	o.Actor = gateway.Person(o.Actor)
	return &call{Server: s, w: w, r: r, order: gateway.Order{Origin: o}, surface: surface, rights: rights}
}

// authorize returns an error if the caller may not make the call.
func (c *call) authorize(route *Route) (err error) {
	c.action = route.Access
	if route.InWorkspace() {
		c.reach, err = c.rights.Allow(c.action, c.r.PathValue("workspace"))
		return err
	}
	return c.rights.AllowSomewhere(c.action)
}

// sees reports whether the caller may make this call in a workspace too.
func (c *call) sees(workspace string) bool { return c.reachIn(workspace) != access.Nothing }

// reachIn returns what this call covers in a workspace.
func (c *call) reachIn(workspace string) access.Reach { return c.rights.Reach(c.action, workspace) }
