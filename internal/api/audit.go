package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// AuditList is a page of the audit log, newest first.
type AuditList struct {
	Entries []*store.AuditEntry `json:"entries"`
	// Next is the cursor of the next page; absent on the last one. A page can hold
	// fewer entries than asked for, even none, and still have a next one.
	Next string `json:"next,omitempty"`
}

func (c *call) listAudit() error {
	filter, err := c.auditFilter()
	if err != nil {
		return err
	}
	limit, err := c.intQuery("limit", defaultLimit, 1, maxLimit)
	if err != nil {
		return err
	}
	page, next, err := c.Store.ReadAudit(c.ctx(), filter, limit)
	if err != nil {
		return err
	}
	if next != "" {
		c.linkNext("cursor", next)
	}
	c.nameGateways(page)
	return c.reply(http.StatusOK, AuditList{Entries: page, Next: next})
}

// nameGateways adds the names of gateways to entries that have only an id, as those about
// tokens, as far as these gateways are still there.
func (c *call) nameGateways(entries []*store.AuditEntry) {
	for _, e := range entries {
		if e.Gateway == "" && e.GatewayID != "" {
			e.Gateway = c.Manager.RefOf(e.GatewayID)
		}
	}
}

func (c *call) auditFilter() (f store.AuditFilter, err error) {
	for name, target := range map[string]*string{
		"gateway": &f.Gateway, "actor": &f.Actor, "action": &f.Action, "target": &f.Target, "cursor": &f.Before,
	} {
		if *target, err = c.query(name); err != nil {
			return f, err
		}
	}
	if f.Outcome, err = c.wordQuery("outcome", "", store.OutcomeDone, store.OutcomeRefused); err != nil {
		return f, err
	}
	if f.Before != "" && !store.ValidAuditID(f.Before) {
		return f, gateway.Invalid("cursor", f.Before, "must be the value of next in an earlier page")
	}
	if f.Gateway != "" {
		f.GatewayID = c.Manager.IDOf(f.Gateway)
	}
	if err := checkAction(f.Action); err != nil {
		return f, err
	}
	f.Visible = c.seesEntry()
	f.From, f.Until, err = c.span()
	return f, err
}

// seesEntry returns which entries the caller may see, nil for all: those about gateways
// of the workspaces whose audit it may read. Entries that are about no gateway, and about
// tokens of gateways that are deleted, are for those who may read the audit everywhere.
func (c *call) seesEntry() func(*store.AuditEntry) bool {
	if c.sees(access.Everywhere) {
		return nil
	}
	return func(e *store.AuditEntry) bool {
		workspace, _, named := strings.Cut(e.Gateway, "/")
		if !named {
			g := c.Manager.Known(e.GatewayID)
			if g == nil {
				return false
			}
			workspace = g.Workspace
		}
		return c.sees(workspace)
	}
}

// exportAudit writes all that the filter chooses, newest first, one JSON object a
// line.
func (c *call) exportAudit() error {
	filter, err := c.auditFilter()
	if err != nil {
		return err
	}
	page, next, err := c.Store.ReadAudit(c.ctx(), filter, exportAtOnce)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", jsonLines)
	lines := json.NewEncoder(c.w)
	for {
		c.nameGateways(page)
		for _, e := range page {
			if err := lines.Encode(e); err != nil {
				return nil // the client has disconnected
			}
		}
		if next == "" {
			return nil
		}
		filter.Before = next
		if page, next, err = c.Store.ReadAudit(c.ctx(), filter, exportAtOnce); err != nil {
			// The status has been sent, so only an abort shows that lines are missing.
			panic(http.ErrAbortHandler)
		}
	}
}
