package core

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/notices"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// BudgetInterval is the pause between two looks at what is used of budgets. Tests wait less.
var BudgetInterval = 15 * time.Second

// emitNotice queues the Caddy event of a notice. Gateways that fail have one of their own, with
// the same name.
func (c *Core) emitNotice(n *notices.Notice) {
	if n.Event == notices.GatewayFailed {
		return
	}
	data := map[string]any{"id": n.ID, "text": n.Text, "workspace": n.Workspace, "gateway": n.Gateway}
	maps.Copy(data, n.Data)
	c.queueEvent(event{"livy_" + n.Event, data})
}

// noticeFailure reports a gateway that has failed.
func (c *Core) noticeFailure(g *gateway.Gateway) {
	if g.Status.State != gateway.StateError {
		return
	}
	reason := gateway.MaskSecrets(g.Status.Reason)
	c.Notices.Report(notices.Make(notices.GatewayFailed, g.ID+" "+strconv.FormatInt(g.Status.Since.UnixMilli(), 10),
		fmt.Sprintf("gateway %s has failed: %s", g.Ref(), reason),
		map[string]any{"id": g.ID, "state": string(g.Status.State), "reason": reason}).Of(g))
}

// noticeEnd reports a session or batch that was lost: its Livy server ended unexpectedly, or
// Livy no longer knows it.
func (c *Core) noticeEnd(r *store.Record) {
	g := c.Manager.Known(r.GatewayID)
	if g == nil || !r.Confirmed() || !sessions.Lost(r) {
		return
	}
	c.Notices.Report(notices.Make(notices.SessionLost, r.ID,
		fmt.Sprintf("%s %d of gateway %s was lost: %s", r.Kind, r.PublicID, g.Ref(), r.Reason),
		map[string]any{
			"record": r.ID, "kind": r.Kind, "publicId": r.PublicID, "state": r.State, "reason": r.Reason,
			"tokenId": r.TokenID, "user": r.User,
		}).Of(g))
}

// noticeToken reports a token that expires soon. Its key has the time: one that was prolonged is
// reported again.
func (c *Core) noticeToken(g *gateway.Gateway, t *tokens.Token, now time.Time) {
	left := t.ExpiresAt.Sub(now)
	if left <= 0 || left > tokens.ExpiresSoon || t.State(now) != "active" {
		return
	}
	c.Notices.Report(notices.Make(notices.TokenExpiring, t.ID+" "+strconv.FormatInt(t.ExpiresAt.Unix(), 10),
		fmt.Sprintf("token %q (%s) of gateway %s expires on %s", t.Name, t.ID, g.Ref(), t.ExpiresAt.UTC().Format("2006-01-02 15:04 MST")),
		map[string]any{"tokenId": t.ID, "name": t.Name, "user": t.User(), "expiresAt": t.ExpiresAt.UTC().Format(time.RFC3339)}).Of(g))
}

// reportBreach reports a bound of a budget that was reached.
func (c *Core) reportBreach(_ context.Context, key string, b budgets.Breach) {
	bound := "soft"
	if b.Hard {
		bound = "hard"
	}
	n := notices.Make(notices.BudgetReached, key, b.Text(), map[string]any{
		"budget": b.Budget, "per": b.Account.Per, "name": b.Label, "period": b.Period, "resource": b.Resource,
		"bound": bound, "used": b.Used, "limit": b.Limit, "reset": b.Reset.Format(time.RFC3339),
	})
	switch b.Account.Per {
	case store.PerWorkspace:
		n.Workspace = b.Account.Name
	case store.PerGateway:
		if g := c.Manager.Known(b.Account.Name); g != nil {
			n = n.Of(g)
		}
	}
	c.Notices.Report(n)
}

// stopForBudget ends a session or batch, if this instance supervises its gateway.
func (c *Core) stopForBudget(ctx context.Context, r *store.Record, reason string) error {
	g := c.Manager.Known(r.GatewayID)
	if g == nil || !c.Manager.Holds(g.ID) || !r.Confirmed() {
		return nil
	}
	_, err := c.Manager.CloseRecord(ctx, g, r, gateway.Origin{Actor: reason})
	return err
}

// tokensOf returns all tokens of gateways.
func (c *Core) tokensOf(ctx context.Context, gatewayIDs []string) (map[string]budgets.Token, error) {
	refs, err := c.Store.TokenRefs(ctx, gatewayIDs)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(refs))
	for i, ref := range refs {
		ids[i] = ref.ID
	}
	list, err := c.Tokens.ByID(ctx, ids)
	all := make(map[string]budgets.Token, len(list))
	for _, t := range list {
		all[t.ID] = budgets.Token{Name: t.Name, User: t.User(), GatewayID: t.GatewayID}
	}
	return all, err
}
