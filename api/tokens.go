package api

import (
	"net/http"

	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/tokens"
)

// TokenList is the reply to listing tokens.
type TokenList struct {
	Tokens []*tokens.Token `json:"tokens"`
}

// NewToken is the reply to creating a token: the only time its text is shown.
type NewToken struct {
	*tokens.Token
	// Secret is what clients send in x-acs-spark-livy-token.
	Secret string `json:"token"`
}

// CreateToken is the body of a create call.
type CreateToken struct {
	Name string `json:"name"`
	// ExpireDays is the token's life in days: at least 1, default 365.
	ExpireDays int `json:"expireDays"`
}

func (c *call) createToken() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	var body CreateToken
	if err := c.read(&body); err != nil {
		return err
	}
	token, secret, err := c.Tokens.Create(c.r.Context(), tokens.CreateRequest{
		GatewayID: g.ID, Name: body.Name, ExpireDays: body.ExpireDays, CreatedBy: c.actor,
	})
	if err != nil {
		return err
	}
	c.w.Header().Set("Cache-Control", "no-store")
	return c.reply(http.StatusCreated, NewToken{Token: token, Secret: secret})
}

func (c *call) listTokens() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	all, err := c.Tokens.List(c.r.Context(), g.ID)
	if err != nil {
		return err
	}
	if all == nil {
		all = []*tokens.Token{}
	}
	return c.reply(http.StatusOK, TokenList{Tokens: all})
}

func (c *call) revokeToken() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	id := c.r.PathValue("token")
	if id == "" {
		return gateway.Invalid("token", id, "must be a token id (lctk-...)")
	}
	if err := c.Tokens.Revoke(c.r.Context(), g.ID, id); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
