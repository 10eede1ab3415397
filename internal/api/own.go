package api

import (
	"context"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// Calls that reach only the caller's own tokens, and what was created with them.

// ownerMe means the caller, as the name of an owner.
const ownerMe = "me"

// ownerQuery reads the query parameter owner.
func (c *call) ownerQuery() (string, error) {
	owner, err := c.query("owner")
	if owner == ownerMe {
		owner = c.rights.User
	}
	return owner, err
}

// mine fails with KindNotFound if the call reaches only the caller's own tokens and a token is
// not theirs.
func (c *call) mine(g *gateway.Gateway, tokenID string) error {
	if c.reach != access.Own {
		return nil
	}
	mine, err := c.Tokens.Owns(c.ctx(), c.rights.User, g.ID, tokenID)
	if err == nil && !mine {
		err = gateway.Errorf(gateway.KindNotFound, "no such token")
	}
	return err
}

// ownTokens returns the ids of the caller's tokens of a gateway, including revoked ones, if the
// call reaches only these.
func (c *call) ownTokens(gatewayID string) (map[string]bool, error) {
	if c.reach != access.Own {
		return nil, nil
	}
	all, err := c.Tokens.Owned(c.ctx(), c.rights.User)
	if err != nil {
		return nil, err
	}
	own := make(map[string]bool)
	for _, t := range all {
		if t.GatewayID == gatewayID {
			own[t.ID] = true
		}
	}
	return own, nil
}

// allOwnTokens returns the ids of the caller's tokens of all gateways, including revoked ones.
func (c *call) allOwnTokens() (map[string]bool, error) {
	owned, err := c.Tokens.Owned(c.ctx(), c.rights.User)
	own := make(map[string]bool, len(owned))
	for _, t := range owned {
		own[t.ID] = true
	}
	return own, err
}

// recordReader returns a function that reads a page of the gateway's records that the call
// reaches, and counts them.
func (c *call) recordReader(g *gateway.Gateway) (func(f store.RecordFilter, offset, limit int) ([]*store.Record, int64, error), error) {
	own, err := c.ownTokens(g.ID)
	if err != nil {
		return nil, err
	}
	return func(f store.RecordFilter, offset, limit int) ([]*store.Record, int64, error) {
		if c.reach != access.Own {
			return c.Store.Records(c.ctx(), g.ID, f, int64(offset), int64(limit))
		}
		var sources []store.RecordSource
		for id := range own {
			if f.TokenID == "" || f.TokenID == id {
				sources = append(sources, store.RecordSource{GatewayID: g.ID, TokenID: id})
			}
		}
		total, err := c.Store.CountRecords(c.ctx(), sources, f)
		if err != nil || int64(offset) >= total {
			return nil, total, err
		}
		records, _, _, err := c.Store.MergedRecords(c.ctx(), sources, f, nil, offset, limit)
		return records, total, err
	}, nil
}

// createOwn returns a function that creates a token that the caller makes for themselves.
func (c *call) createOwn(g *gateway.Gateway) func(context.Context, tokens.CreateRequest) (*tokens.Token, string, error) {
	return func(ctx context.Context, r tokens.CreateRequest) (*tokens.Token, string, error) {
		user := c.rights.User
		if err := tokens.CheckOwner(user); err != nil {
			return nil, "", err
		}
		if err := c.Manager.CheckToken(g, user, ""); err != nil {
			return nil, "", err
		}
		return c.Tokens.CreateOwn(ctx, r, user, c.surface.SelfService)
	}
}

func (c *call) resetOwn(ctx context.Context, o gateway.Order, gatewayID, id string, r tokens.ResetRequest) (*tokens.Token, string, error) {
	return c.Tokens.ResetOwn(ctx, o, gatewayID, id, r, c.surface.SelfService)
}
