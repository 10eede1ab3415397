package api

import (
	"context"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/gateway"
)

// LivyServer is a Livy server of a gateway as the API shows it.
type LivyServer struct {
	Number int `json:"number"`
	// State is "primary" and "serving" for the servers that take new sessions and batches,
	// "starting" for one that is to replace or to join them, "draining" for one that keeps its
	// sessions and batches until they end, and "ending" for one that is being stopped.
	State string `json:"state"`
	// Reason explains why it ends, how it failed last, or what is wrong with it.
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
	// UnresponsiveSince is since when it has not answered.
	UnresponsiveSince time.Time `json:"unresponsiveSince,omitzero"`
	// NextStart is when a server that failed is started again.
	NextStart time.Time `json:"nextStart,omitzero"`
	// DrainUntil is when a draining server is stopped, even if it has sessions or batches.
	DrainUntil  time.Time `json:"drainUntil,omitzero"`
	Engine      string    `json:"engine,omitempty"`
	LivyVersion string    `json:"livyVersion,omitempty"`
	// Live counts its sessions and batches that have not ended, if the caller may see all of
	// them.
	Live *LiveCounts `json:"live,omitempty"`
}

// serversOf returns all servers of a gateway, or none if it has one only.
func (c *call) serversOf(g *gateway.Gateway) ([]LivyServer, error) {
	if len(g.Status.Servers) == 0 && (g.WantedServers() == 1 || g.Status.Instance == "") {
		return nil, nil
	}
	inForce := g.InForce()
	all := []LivyServer{{
		Number: g.Status.PrimaryNumber(), State: "primary", Since: g.Status.Since,
		Engine: inForce.Engine, LivyVersion: g.Status.LivyVersion, UnresponsiveSince: g.Status.UnresponsiveSince,
	}}
	if g.Status.State != gateway.StateRunning {
		all[0].State = strings.ToLower(string(g.Status.State))
	}
	epochs := []int64{g.Status.Epoch}
	for i := range g.Status.Servers {
		v := &g.Status.Servers[i]
		server := LivyServer{
			Number: v.Number, State: string(v.State), Reason: gateway.MaskSecrets(v.Reason), Since: v.Since,
			DrainUntil: v.DrainUntil, LivyVersion: v.LivyVersion, UnresponsiveSince: v.UnresponsiveSince,
		}
		if v.State == gateway.ServerStarting && v.LastFailure != nil {
			server.NextStart, server.Reason = v.NextStart, gateway.MaskSecrets(v.LastFailure.Reason)
		}
		if v.StartedWith != nil {
			server.Engine = v.StartedWith.Engine
		}
		if v.State == gateway.ServerDraining && g.WantedServers() == 1 && v.Since.After(all[0].Since) {
			all[0].Since = v.Since // when the primary server took over
		}
		all, epochs = append(all, server), append(epochs, v.Epoch)
	}
	if c.rights.Reach(viewerOrOwn, g.Workspace) != access.All {
		return all, nil
	}
	live, err := c.Manager.Ledger.LivingByEpoch(c.ctx(), g.ID)
	if err != nil {
		return nil, err
	}
	for i, epoch := range epochs {
		all[i].Live = &LiveCounts{Sessions: live[epoch].Sessions, Batches: live[epoch].Batches}
	}
	return all, nil
}

var drainParam = Param{
	Name: "drainSeconds", Type: "integer", Least: 0, Most: int(gateway.MaxDrain / time.Second),
	Doc: "Start the new Livy server beside the present one, which keeps its sessions and batches until they end, at most for this time. With 0, the default, the present one is stopped first, which ends them.",
}

// drain returns the value of drainParam, or 0.
func (c *call) drain() (time.Duration, error) {
	n, err := c.intQuery(drainParam.Name, 0, drainParam.Least, drainParam.Most)
	return time.Duration(n) * time.Second, err
}

func (c *call) restartGateway() error {
	drain, err := c.drain()
	if err != nil {
		return err
	}
	if drain == 0 {
		return c.life(c.Manager.Restart)
	}
	return c.life(func(ctx context.Context, g *gateway.Gateway, o gateway.Order) (*gateway.Gateway, error) {
		return c.Manager.Replace(ctx, g, drain, o)
	})
}
