package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
)

// Gateway is a gateway as the API shows it.
type Gateway struct {
	*gateway.Gateway
	// Endpoint is the path of the gateway's Livy API below a site with the
	// livy_gateway directive, by the gateway's name. Its id in place of the name
	// outlives a renaming.
	Endpoint string `json:"endpoint"`
	// Endpoints are the whole addresses of the gateway's Livy API, one for each address of the
	// sites that serve it. A site without a host name is shown with the host by which the caller
	// reached this API.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// RestartNeeded lists the settings, and the configuration entries that they name (as
	// "environment analytics"), that differ from those with which the running Livy server
	// was started. They take effect after a restart.
	RestartNeeded []string `json:"restartNeeded,omitempty"`
	// Notes are warnings, e.g. about configuration entries that no longer exist, or settings
	// without effect.
	Notes []string `json:"notes,omitempty"`
	// Live sums up the sessions and batches that have not ended, of those that the caller
	// may see. Only lists have it, if asked.
	Live *LiveUse `json:"live,omitempty"`
	// Servers are all Livy servers of the gateway, if it has more than one. Only the reply to
	// a read of one gateway has them.
	Servers []LivyServer `json:"servers,omitempty"`
}

func (c *call) shown(g *gateway.Gateway) Gateway {
	full := *g
	full.Spec = c.Manager.Effective(g)
	if c.rights.Reach(admin, g.Workspace) != access.All {
		hideSecrets(&full)
	}
	var sites []Site
	if c.Sites != nil {
		sites = c.Sites()
	}
	return Gateway{
		Gateway: &full, Endpoint: EndpointPath(g.Workspace, g.Spec.Name), Endpoints: Endpoints(sites, g, c.r.Host),
		RestartNeeded: c.Manager.RestartNeeded(g), Notes: c.Manager.Notes(g),
	}
}

// hideSecrets hides what looks like a secret in the texts of a gateway, for those who
// cannot change them. What g shares with others it leaves alone.
func hideSecrets(g *gateway.Gateway) {
	hide := func(spec *gateway.Spec) {
		for _, text := range []*string{&spec.SparkDefaults, &spec.LivyConf, &spec.LivyClientConf, &spec.SparkBlacklist, &spec.PolicyRules} {
			*text = gateway.MaskSecrets(*text)
		}
	}
	hide(&g.Spec)
	hideStarted := func(spec *gateway.Spec) *gateway.Spec {
		if spec == nil {
			return nil
		}
		hidden := *spec
		hide(&hidden)
		return &hidden
	}
	g.Status.StartedWith = hideStarted(g.Status.StartedWith)
	g.Status.Servers = slices.Clone(g.Status.Servers)
	for i := range g.Status.Servers {
		v := &g.Status.Servers[i]
		v.StartedWith, v.Reason = hideStarted(v.StartedWith), gateway.MaskSecrets(v.Reason)
		v.LastFailure = hideFailure(v.LastFailure)
	}
	g.Status.ReplaceFailure = hideFailure(g.Status.ReplaceFailure)
	g.Status.Reason = gateway.MaskSecrets(g.Status.Reason)
	g.History = slices.Clone(g.History)
	for i := range g.History {
		g.History[i].Cause = gateway.MaskSecrets(g.History[i].Cause)
	}
}

func hideFailure(f *gateway.Failure) *gateway.Failure {
	if f == nil {
		return nil
	}
	return &gateway.Failure{Time: f.Time, Reason: gateway.MaskSecrets(f.Reason)}
}

func (c *call) replyGateway(status int, g *gateway.Gateway) error {
	return c.replyRevision(status, g.Revision, c.shown(g))
}

// EndpointPath returns the path of a gateway on sites that serve all gateways; Livy's own path
// follows it.
func EndpointPath(workspace, nameOrID string) string {
	return "/api/v1/workspace/" + workspace + "/livycompute/" + nameOrID
}

func (c *call) gateway() (*gateway.Gateway, error) {
	var g *gateway.Gateway
	err := c.patiently(func() (err error) {
		g, err = c.Manager.Get(c.ctx(), c.r.PathValue("workspace"), c.r.PathValue("gateway"))
		return err
	})
	return g, err
}

// changing returns the gateway for calls that change it.
func (c *call) changing() (*gateway.Gateway, error) {
	g, err := c.gateway()
	if err != nil {
		return nil, err
	}
	return g, c.onlyIfMatch(g.ID, g.Revision)
}

// CreateGateway is the body of a create call.
type CreateGateway struct {
	gateway.Spec
	// Start starts the gateway right after it is created.
	Start bool `json:"start"`
}

func (c *call) createGateway() error {
	var body CreateGateway
	if err := c.read(&body); err != nil {
		return err
	}
	g, err := c.Manager.Create(c.ctx(), control.CreateRequest{
		Workspace: c.r.PathValue("workspace"), Spec: body.Spec, Start: body.Start, Origin: c.order.Origin,
	})
	if err != nil {
		return err
	}
	return c.replyGateway(http.StatusCreated, g)
}

func (c *call) showGateway() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	servers, err := c.serversOf(g)
	if err != nil {
		return err
	}
	shown := c.shown(g)
	shown.Servers = servers
	return c.replyRevision(http.StatusOK, g.Revision, shown)
}

func (c *call) deleteGateway() error {
	force, err := c.boolQuery("force")
	if err != nil {
		return err
	}
	g, err := c.changing()
	if err != nil {
		return err
	}
	left, err := c.Manager.Delete(c.ctx(), g, force, c.order)
	switch {
	case err != nil:
		return err
	case left != nil:
		return c.replyGateway(http.StatusAccepted, left)
	}
	return c.none()
}

// updateGateway applies a merge patch to the gateway's settings.
func (c *call) updateGateway() error {
	restart, err := c.boolQuery("restart")
	if err != nil {
		return err
	}
	drain, err := c.drain()
	if err != nil {
		return err
	}
	if drain > 0 && !restart {
		return gateway.Invalid(drainParam.Name, c.r.URL.Query().Get(drainParam.Name), "needs restart=true")
	}
	g, err := c.changing()
	if err != nil {
		return err
	}
	patch, err := c.body()
	if err != nil {
		return err
	}
	if g, err = c.Manager.Update(c.ctx(), g, control.UpdateRequest{
		Patch: patch, Restart: restart, Drain: drain, Order: c.order,
	}); err != nil {
		return err
	}
	return c.replyGateway(http.StatusOK, g)
}

func (c *call) startGateway() error { return c.life(c.Manager.Start) }
func (c *call) stopGateway() error  { return c.life(c.Manager.Stop) }

// life requests another state and does not wait for it.
func (c *call) life(ask func(ctx context.Context, g *gateway.Gateway, o gateway.Order) (*gateway.Gateway, error)) error {
	g, err := c.changing()
	if err != nil {
		return err
	}
	if g, err = ask(c.ctx(), g, c.order); err != nil {
		return err
	}
	return c.replyGateway(http.StatusAccepted, g)
}

// Logs is the last output of a Livy server, oldest line first.
type Logs struct {
	Lines []string `json:"lines"`
}

func (c *call) gatewayLogs() error {
	n, err := c.intQuery("lines", 100, 1, 10000)
	if err != nil {
		return err
	}
	g, err := c.gateway()
	if err != nil {
		return err
	}
	lines, err := c.Manager.Logs(c.ctx(), g, n)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, Logs{Lines: append([]string{}, lines...)})
}
