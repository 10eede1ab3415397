package api

import (
	"io"
	"net/http"

	"github.com/livygateway/livygateway/control"
	"github.com/livygateway/livygateway/gateway"
)

// Gateway is a gateway as the API shows it.
type Gateway struct {
	*gateway.Gateway
	// Endpoint is the path of the gateway's Livy API below a site with the
	// livy_gateway directive.
	Endpoint string `json:"endpoint"`
	// RestartNeeded lists the settings, and the entries of the configuration that
	// they name (as "environment analytics"), that differ from those with which the
	// running Livy server was started: it must be restarted for them.
	RestartNeeded []string `json:"restartNeeded,omitempty"`
	// Notes are what a person should know besides: what the gateway names and is no
	// longer configured, what has no effect.
	Notes []string `json:"notes,omitempty"`
}

func (c *call) shown(g *gateway.Gateway) Gateway {
	return Gateway{
		Gateway: g, Endpoint: EndpointPath(g.Workspace, g.ID),
		RestartNeeded: g.Spec.Pending(g.Status.Launched, c.Manager.Catalog()), Notes: c.Manager.Notes(g),
	}
}

// EndpointPath is the path under which a gateway is reached on sites that serve
// all gateways; Livy's own path follows it.
func EndpointPath(workspace, nameOrID string) string {
	return "/api/v1/workspace/" + workspace + "/livycompute/" + nameOrID
}

// GatewayList is the reply to listing gateways.
type GatewayList struct {
	Gateways []Gateway `json:"gateways"`
}

func (c *call) gateway() (*gateway.Gateway, error) {
	return c.Manager.Get(c.r.Context(), c.r.PathValue("workspace"), c.r.PathValue("gateway"))
}

func (c *call) listAllGateways() error { return c.list("") }
func (c *call) listGateways() error    { return c.list(c.r.PathValue("workspace")) }

func (c *call) list(workspace string) error {
	all, err := c.Manager.List(c.r.Context(), workspace)
	if err != nil {
		return err
	}
	list := GatewayList{Gateways: make([]Gateway, 0, len(all))}
	for _, g := range all {
		list.Gateways = append(list.Gateways, c.shown(g))
	}
	return c.reply(http.StatusOK, list)
}

// CreateGateway is the body of a create call.
type CreateGateway struct {
	gateway.Spec
	// Start starts the gateway right after it was created.
	Start bool `json:"start"`
}

func (c *call) createGateway() error {
	var body CreateGateway
	if err := c.read(&body); err != nil {
		return err
	}
	g, err := c.Manager.Create(c.r.Context(), control.CreateRequest{
		Workspace: c.r.PathValue("workspace"), Spec: body.Spec, Start: body.Start, Actor: c.actor,
	})
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, c.shown(g))
}

func (c *call) showGateway() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, c.shown(g))
}

func (c *call) deleteGateway() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	if err := c.Manager.Delete(c.r.Context(), g, c.r.URL.Query().Get("force") == "true"); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// updateGateway takes a merge patch of the gateway's settings.
func (c *call) updateGateway() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	patch, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if err != nil {
		return gateway.Errorf(gateway.KindInvalid, "reading the body: %s", err)
	}
	g, err = c.Manager.Update(c.r.Context(), g, control.UpdateRequest{
		Patch: patch, Restart: c.r.URL.Query().Get("restart") == "true", Actor: c.actor,
	})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, c.shown(g))
}

func (c *call) restartGateway() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	if g, err = c.Manager.Restart(c.r.Context(), g, c.actor); err != nil {
		return err
	}
	return c.reply(http.StatusAccepted, c.shown(g))
}

func (c *call) startGateway() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	if g, err = c.Manager.Start(c.r.Context(), g, c.actor); err != nil {
		return err
	}
	return c.reply(http.StatusAccepted, c.shown(g))
}

func (c *call) stopGateway() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	if g, err = c.Manager.Stop(c.r.Context(), g, c.actor); err != nil {
		return err
	}
	return c.reply(http.StatusAccepted, c.shown(g))
}

// Logs is the reply to reading a Livy server's output.
type Logs struct {
	Lines []string `json:"lines"`
}

func (c *call) gatewayLogs() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	n, err := c.intQuery("lines", 100, 1, 10000)
	if err != nil {
		return err
	}
	lines, err := c.Manager.Logs(c.r.Context(), g, n)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, Logs{Lines: lines})
}
