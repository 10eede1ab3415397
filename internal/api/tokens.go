package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

// Token is a token as the API shows it, without its secret.
type Token struct {
	*tokens.Token
	// State is "active", "disabled", "expired" or "revoked".
	State string `json:"state"`
}

// TokenList is a page of a gateway's tokens, oldest first.
type TokenList struct {
	// Total counts the tokens on all pages.
	Total  int64   `json:"total"`
	Tokens []Token `json:"tokens"`
}

// NewToken is the reply to creating or resetting a token. Only this reply contains the token's
// text.
type NewToken struct {
	Token
	// Secret is the text that clients send in x-acs-spark-livy-token.
	Secret string `json:"token"`
}

func (c *call) present(t *tokens.Token) Token {
	return Token{Token: t, State: t.State(time.Now())}
}

// check returns an error for settings that the gateway does not allow: a queue that is not
// configured, or an identity that the policy cannot force.
func (c *call) check(g *gateway.Gateway, s *tokens.Settings) error {
	return c.Manager.CheckToken(g, value(s.Identity), value(s.Queue))
}

// value returns *p, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (c *call) createToken() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	body := tokens.CreateRequest{GatewayID: g.ID, By: c.order.Origin}
	if err := c.read(&body); err != nil {
		return err
	}
	if body.Owner == ownerMe {
		body.Owner = c.rights.User
	}
	create := c.Tokens.Create
	if c.reach == access.Own {
		create = c.createOwn(g)
	} else if err := c.check(g, &body.Settings); err != nil {
		return err
	}
	owner := body.Owner
	if c.reach == access.Own {
		owner = c.rights.User
	}
	if err := c.checkName(g, body.Name, owner, ""); err != nil {
		return err
	}
	token, secret, err := create(c.ctx(), body)
	if err != nil {
		return err
	}
	return c.replySecret(http.StatusCreated, token, secret)
}

// checkName returns an error if another token of a gateway and an owner has a name, since tokens
// are found by name. Expired ones do not count. Two creates at the same moment can both succeed;
// such tokens are found by id only, as are those made with the managed product's API, which has
// no such rule.
func (c *call) checkName(g *gateway.Gateway, name *string, owner, id string) error {
	if name == nil || c.order.Surface == "managed" {
		return nil
	}
	list, err := c.Tokens.List(c.ctx(), g.ID)
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.Name == *name && t.Owner == owner && t.ID != id && t.ExpiresAt.After(time.Now()) {
			return &gateway.Error{
				Kind: gateway.KindConflict, Field: "name", Value: *name,
				Rule: "is the name of token " + t.ID + ": choose another one, or reset or revoke that token",
			}
		}
	}
	return nil
}

func (c *call) replySecret(status int, token *tokens.Token, secret string) error {
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.Header().Set("ETag", etag(token.Revision, nil)) // a digest would depend on the secret
	return c.reply(status, NewToken{Token: c.present(token), Secret: secret})
}

func (c *call) listTokens() error {
	p, err := c.page()
	if err != nil {
		return err
	}
	g, err := c.gateway()
	if err != nil {
		return err
	}
	revoked, err := c.boolQuery("revoked")
	if err != nil {
		return err
	}
	owner, err := c.ownerQuery()
	if err != nil {
		return err
	}
	all, err := c.Tokens.List(c.ctx(), g.ID)
	if err == nil && revoked {
		var more []*tokens.Token
		more, err = c.Tokens.ListRevoked(c.ctx(), g.ID)
		all = append(all, more...)
	}
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(t *tokens.Token) bool {
		return owner != "" && t.Owner != owner || c.reach == access.Own && t.Owner != c.rights.User
	})
	list := TokenList{Total: int64(len(all)), Tokens: []Token{}}
	for _, t := range cut(all, p) {
		list.Tokens = append(list.Tokens, c.present(t))
	}
	c.more(p, list.Total)
	return c.reply(http.StatusOK, list)
}

// onToken applies do to the token in the path and replies with the result.
func (c *call) onToken(do func(g *gateway.Gateway, id string) (*tokens.Token, error)) error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	id, err := c.tokenID(g)
	if err != nil {
		return err
	}
	token, err := do(g, id)
	if err != nil {
		return err
	}
	return c.replyRevision(http.StatusOK, token.Revision, c.present(token))
}

// tokenID returns the id of the token in the path, which the call must reach, and checks
// If-Match.
func (c *call) tokenID(g *gateway.Gateway) (string, error) {
	id, err := c.findToken(g, c.r.PathValue("token"), c.reading())
	if err != nil {
		return "", err
	}
	if err := c.mine(g, id); err != nil {
		return "", err
	}
	return id, c.tokenIfMatch(g, id)
}

// findToken returns the id of the token with an id or name. Where the call reaches only the
// caller's own tokens, the names of others are unknown.
func (c *call) findToken(g *gateway.Gateway, ref string, revoked bool) (string, error) {
	owner := ""
	if c.reach == access.Own {
		owner = c.rights.User
	}
	return c.Tokens.Find(c.ctx(), g.ID, ref, owner, revoked)
}

// tokenIfMatch is onlyIfMatch for a token, which it reads only if necessary.
func (c *call) tokenIfMatch(g *gateway.Gateway, id string) error {
	if c.r.Method == http.MethodGet || c.r.Header["If-Match"] == nil {
		return nil
	}
	now, err := c.Tokens.Get(c.ctx(), g.ID, id)
	if err != nil {
		return err
	}
	return c.onlyIfMatch(id, now.Revision)
}

func (c *call) showToken() error {
	return c.onToken(func(g *gateway.Gateway, id string) (*tokens.Token, error) {
		return c.Tokens.Get(c.ctx(), g.ID, id)
	})
}

func (c *call) updateToken() error {
	return c.onToken(func(g *gateway.Gateway, id string) (*tokens.Token, error) {
		var body tokens.Settings
		if err := c.read(&body); err != nil {
			return nil, err
		}
		if err := c.check(g, &body); err != nil {
			return nil, err
		}
		if body.Name != nil {
			t, err := c.Tokens.Get(c.ctx(), g.ID, id)
			if err != nil {
				return nil, err
			}
			if err := c.checkName(g, body.Name, t.Owner, id); err != nil {
				return nil, err
			}
		}
		return c.Tokens.Update(c.ctx(), c.order, g.ID, id, body)
	})
}

func (c *call) resetToken() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	id, err := c.tokenID(g)
	if err != nil {
		return err
	}
	var body tokens.ResetRequest
	if err := c.read(&body); err != nil {
		return err
	}
	reset := c.Tokens.Reset
	if c.reach == access.Own {
		reset = c.resetOwn
	}
	token, secret, err := reset(c.ctx(), c.order, g.ID, id, body)
	if err != nil {
		return err
	}
	return c.replySecret(http.StatusOK, token, secret)
}

func (c *call) disableToken() error {
	return c.onToken(func(g *gateway.Gateway, id string) (*tokens.Token, error) {
		return c.Tokens.Disable(c.ctx(), c.order, g.ID, id)
	})
}

func (c *call) enableToken() error {
	return c.onToken(func(g *gateway.Gateway, id string) (*tokens.Token, error) {
		return c.Tokens.Enable(c.ctx(), c.order, g.ID, id)
	})
}

func (c *call) revokeToken() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	id, err := c.tokenID(g)
	if err != nil {
		return err
	}
	if err := c.Tokens.Revoke(c.ctx(), c.order, g.ID, id); err != nil {
		return err
	}
	return c.none()
}
