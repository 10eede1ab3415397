package api

import (
	"net/http"
	"slices"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/gateway"
)

// GatewayList is a page of gateways, ordered by workspace and name.
type GatewayList struct {
	// Total counts the gateways on all pages.
	Total    int64     `json:"total"`
	Gateways []Gateway `json:"gateways"`
}

// LiveUse sums up sessions and batches that have not ended, and the resources they use.
type LiveUse struct {
	LiveCounts
	// MilliCPU is in thousandths of a core.
	MilliCPU int64 `json:"milliCpu"`
	MemoryMB int64 `json:"memoryMb"`
}

func (c *call) listAllGateways() error { return c.list("") }
func (c *call) listGateways() error    { return c.list(c.r.PathValue("workspace")) }

func (c *call) list(workspace string) error {
	p, err := c.page()
	if err != nil {
		return err
	}
	live, err := c.boolQuery("live")
	if err != nil {
		return err
	}
	all, err := c.Manager.List(c.ctx(), workspace)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(g *gateway.Gateway) bool { return !c.sees(g.Workspace) })
	list := GatewayList{Total: int64(len(all)), Gateways: []Gateway{}}
	for _, g := range cut(all, p) {
		list.Gateways = append(list.Gateways, c.shown(g))
	}
	if live {
		if err := c.addLive(list.Gateways); err != nil {
			return err
		}
	}
	c.more(p, list.Total)
	return c.reply(http.StatusOK, list)
}

// addLive sums up what lives in the gateways of a page: a command for each, and one more
// for each of those in which something lives.
func (c *call) addLive(page []Gateway) error {
	ids := make([]string, len(page))
	someOwn := false
	for i, g := range page {
		ids[i] = g.ID
		someOwn = someOwn || c.rights.Reach(viewerOrOwn, g.Workspace) != access.All
	}
	living, err := c.Store.LivingOf(c.ctx(), ids)
	if err != nil {
		return err
	}
	var own map[string]bool
	if someOwn && len(living) > 0 {
		if own, err = c.allOwnTokens(); err != nil {
			return err
		}
	}
	for i := range page {
		g := &page[i]
		g.Live = &LiveUse{}
		all := c.rights.Reach(viewerOrOwn, g.Workspace) == access.All
		for _, r := range living[g.ID] {
			if all || own[r.TokenID] {
				g.Live.add(r.Kind)
				g.Live.MilliCPU += r.MilliCPU
				g.Live.MemoryMB += r.MemoryMB
			}
		}
	}
	return nil
}
