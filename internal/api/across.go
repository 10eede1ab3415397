package api

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// Lists over several gateways.

// Place is the gateway that an item of a list belongs to.
type Place struct {
	Workspace string `json:"workspace"`
	// Gateway is the gateway's name.
	Gateway string `json:"gateway"`
}

// PlacedToken is a token in a list over several gateways.
type PlacedToken struct {
	Token
	Place
	// DaysLeft is how many whole days the token has to live; 0 on its last one, and once
	// it has expired.
	DaysLeft int `json:"daysLeft"`
}

// PlacedTokenList is a page of the tokens of several gateways, oldest first.
type PlacedTokenList struct {
	// Total counts the tokens on all pages.
	Total  int64         `json:"total"`
	Tokens []PlacedToken `json:"tokens"`
}

// listAllTokens reads the ids of all tokens that it lists, and the rows of a page of them.
func (c *call) listAllTokens() error {
	p, err := c.page()
	if err != nil {
		return err
	}
	owner, err := c.ownerQuery()
	if err != nil {
		return err
	}
	gateways, err := c.reached()
	if err != nil {
		return err
	}
	refs, err := c.tokenRefs(gateways, owner)
	if err != nil {
		return err
	}
	slices.SortFunc(refs, func(a, b store.TokenRef) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID))
	})
	list := PlacedTokenList{Total: int64(len(refs)), Tokens: []PlacedToken{}}
	ids := make([]string, 0, p.limit)
	for _, ref := range cut(refs, p) {
		ids = append(ids, ref.ID)
	}
	rows, err := c.Tokens.ByID(c.ctx(), ids)
	if err != nil {
		return err
	}
	for _, t := range rows {
		g := gateways[t.GatewayID]
		if g == nil || !t.RevokedAt.IsZero() {
			continue // changed since its id was read
		}
		days := max(0, int(time.Until(t.ExpiresAt)/(24*time.Hour)))
		list.Tokens = append(list.Tokens, PlacedToken{c.present(t), Place{g.Workspace, g.Spec.Name}, days})
	}
	c.more(p, list.Total)
	return c.reply(http.StatusOK, list)
}

// reached are the gateways that the call reaches, all of them or the caller's own tokens
// there, by id.
func (c *call) reached() (map[string]*gateway.Gateway, error) {
	all, err := c.Manager.Snapshot()
	if err != nil {
		return nil, err
	}
	workspace := c.r.PathValue("workspace")
	reached := make(map[string]*gateway.Gateway)
	for _, g := range all {
		if (workspace == "" || g.Workspace == workspace) && c.sees(g.Workspace) {
			reached[g.ID] = g
		}
	}
	return reached, nil
}

// tokenRefs finds the tokens to list: those of an owner, or all that the call reaches.
func (c *call) tokenRefs(gateways map[string]*gateway.Gateway, owner string) (refs []store.TokenRef, err error) {
	var whole []string
	if owner == "" {
		for id, g := range gateways {
			if c.reachIn(g.Workspace) == access.All {
				whole = append(whole, id)
			}
		}
		if refs, err = c.Store.TokenRefs(c.ctx(), whole); err != nil {
			return nil, err
		}
	}
	owned, err := c.Tokens.Owned(c.ctx(), cmp.Or(owner, c.rights.User))
	if err != nil {
		return nil, err
	}
	for _, t := range owned {
		g := gateways[t.GatewayID]
		if g == nil || !t.RevokedAt.IsZero() {
			continue
		}
		all := c.reachIn(g.Workspace) == access.All
		if owner == "" && all || !all && t.Owner != c.rights.User {
			continue // listed already, or somebody else's
		}
		refs = append(refs, store.TokenRef{ID: t.ID, GatewayID: t.GatewayID, Created: float64(t.CreatedAt.UnixMilli())})
	}
	return refs, nil
}

// PlacedRecord is a record in a list over several gateways.
type PlacedRecord struct {
	*store.Record
	// Workspace and Gateway are where it is. Not a Place: JSON leaves out a field that two embedded
	// structs have, and records have a workspace.
	Workspace string `json:"workspace"`
	// Gateway is the gateway's name.
	Gateway string `json:"gateway"`
}

// PlacedRecordList is a page of the sessions and batches of several gateways, newest
// first.
type PlacedRecordList struct {
	Records []PlacedRecord `json:"records"`
	// Next is the cursor of the next page; absent on the last one.
	Next string `json:"next,omitempty"`
}

// listManyRecords merges the newest records of all gateways that it reaches: see
// store.MergedRecords for what that costs.
func (c *call) listManyRecords() error {
	filter, err := c.recordFilter(nil)
	if err != nil {
		return err
	}
	limit, err := c.intQuery("limit", defaultLimit, 1, maxLimit)
	if err != nil {
		return err
	}
	cursor, err := c.query("cursor")
	if err != nil {
		return err
	}
	var after *store.RecordPlace
	if cursor != "" {
		place, ok := store.ParseRecordPlace(cursor)
		if !ok {
			return gateway.Invalid("cursor", cursor, "must be the next of an earlier page")
		}
		after = &place
	}
	gateways, err := c.reached()
	if err != nil {
		return err
	}
	sources, err := c.recordSources(gateways, filter.TokenID)
	if err != nil {
		return err
	}
	records, last, more, err := c.Store.MergedRecords(c.ctx(), sources, filter, after, 0, limit)
	if err != nil {
		return err
	}
	list := PlacedRecordList{Records: []PlacedRecord{}}
	for _, r := range records {
		g := gateways[r.GatewayID]
		c.Manager.ShowSparkUI(g, r)
		list.Records = append(list.Records, PlacedRecord{r, g.Workspace, g.Spec.Name})
	}
	if more {
		list.Next = last.String()
		c.linkNext("cursor", list.Next)
	}
	return c.reply(http.StatusOK, list)
}

func (c *call) recordSources(gateways map[string]*gateway.Gateway, tokenID string) (sources []store.RecordSource, err error) {
	someOwn := false
	for id, g := range gateways {
		if c.reachIn(g.Workspace) == access.All {
			sources = append(sources, store.RecordSource{GatewayID: id, TokenID: tokenID})
		} else {
			someOwn = true
		}
	}
	if !someOwn {
		return sources, nil
	}
	owned, err := c.Tokens.Owned(c.ctx(), c.rights.User)
	if err != nil {
		return nil, err
	}
	for _, t := range owned {
		if g := gateways[t.GatewayID]; g != nil && c.reachIn(g.Workspace) == access.Own && (tokenID == "" || tokenID == t.ID) {
			sources = append(sources, store.RecordSource{GatewayID: t.GatewayID, TokenID: t.ID})
		}
	}
	return sources, nil
}
