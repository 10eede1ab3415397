package livyhttp

import (
	"context"
	"net/http"

	"github.com/livygateway/livygateway/internal/livy"
)

// driversDecide reports whether the pods of drivers decide the states of batches that Livy calls a
// success. Where the gateway cannot read Livy's lists, nobody asks for them.
func (c *call) driversDecide() bool {
	if c.req.Route.Kind != livy.KindBatch || c.req.Method != http.MethodGet {
		return false
	}
	if c.req.Route.Reply == livy.ReplyList {
		for _, e := range c.entry.Beside() {
			if e.DriverPods {
				return true
			}
		}
		return c.entry.DriverPods
	}
	return c.entry.DriverPods && c.req.TellsState()
}

// showDriverStates sets the states of batches that Livy calls a success.
func (c *call) showDriverStates(ctx context.Context, shown []livy.Shown, edits []livy.Edit) {
	if !c.reply.driver {
		return
	}
	var ids []int64
	for i := range shown {
		e := c.entry.Holding(livy.KindBatch, shown[i].ID)
		if shown[i].State == "success" && e.DriverPods && e.Gateway.Status.Unseen == "" {
			ids = append(ids, shown[i].ID)
		}
	}
	if len(ids) == 0 {
		return
	}
	states := c.core.Ledger.DriverStates(ctx, c.entry.Gateway.ID, ids...)
	for i := range shown {
		if state := states[shown[i].ID]; state != "success" {
			edits[i].State = state
		}
	}
}
