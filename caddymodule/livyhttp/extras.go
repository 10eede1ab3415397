package livyhttp

import (
	"context"
	"net/http"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/sparkui"
)

// findExtra finds what the reply to a request about one session or batch shows besides what Livy
// knows of it. A page of a log that begins with lines of the gateway asks Livy for another page.
func (h *Policy) findExtra(ctx context.Context, c *call) {
	if c.req.Route.Reply != livy.ReplyOne || !c.req.Route.HasID || c.req.Route.TellsStateOnly() {
		return
	}
	c.extra = h.core.Ledger.Extra(ctx, c.entry.Gateway.ID, c.req.Route.Kind, c.req.ID)
	if c.extra != nil && len(c.extra.Lines) > 0 && c.req.Route.Page {
		c.logPage = livy.NewLogPage(c.req.Query, c.extra.Lines)
		c.req.Query = c.logPage.Upstream()
	}
}

// hasExtra reports whether an object or list in the reply must be edited.
func (c *call) hasExtra() bool {
	if c.req.Route.Reply == livy.ReplyList {
		return true
	}
	return c.extra != nil && !c.req.Route.Page && (c.extra.SparkUI || len(c.extra.Lines) > 0 || c.extra.Shown != nil)
}

// edits returns the edits of sessions or batches in the reply to a request.
func (c *call) edits(r *http.Request, shown []livy.Shown) []livy.Edit {
	edits := make([]livy.Edit, len(shown))
	var known map[int64]*sessions.Extra
	if c.req.Route.Reply == livy.ReplyList {
		ids := make([]int64, len(shown))
		for i := range shown {
			ids[i] = shown[i].ID
		}
		known = c.core.Ledger.Extras(r.Context(), c.entry.Gateway.ID, c.req.Route.Kind, ids...)
	}
	c.showDriverStates(r.Context(), shown, edits)
	for i := range shown {
		extra := c.extra
		if known != nil {
			extra = known[shown[i].ID]
		}
		if extra == nil {
			continue
		}
		edits[i].Lines = extra.Lines
		showWarm(&edits[i], extra.Shown)
		if extra.SparkUI && c.showsUI(shown[i].State) {
			c.linkUI(r, extra.RecordID, &edits[i])
		}
	}
	return edits
}

// showsUI reports whether there is a Spark UI in a state: a driver serves it while it runs, and
// the history server afterwards.
func (c *call) showsUI(state string) bool {
	switch {
	case livy.Finished(state):
		return c.core.Manager.History() != nil
	case state == "", state == "not_started", state == "starting", state == "recovering":
		return false
	}
	return true
}

// linkUI sets the links to a Spark UI, which browsers can open for a while. Whoever may ask for a
// session or batch may also see its UI. Livy itself has the address of the driver's log only on
// YARN; the page of the UI that leads to it is that of the executors.
func (c *call) linkUI(r *http.Request, recordID string, edit *livy.Edit) {
	site := c.core.Manager.SparkUISite()
	address := site + c.entry.Gateway.SparkUI(recordID)
	if site == "" {
		origin := sparkui.LinkOrigin(r, core.FromTrustedProxy(r))
		if origin == "" {
			return
		}
		address = origin + c.prefix + gateway.SparkUIPath + recordID
	}
	signature := c.core.Ledger.SignReply(r.Context(), site, recordID)
	if signature == "" {
		return
	}
	signature = "?" + gateway.SparkUILinkParameter + "=" + signature
	edit.SparkUI, edit.DriverLog = address+"/"+signature, address+"/executors/"+signature
}
