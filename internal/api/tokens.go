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

// NewToken is the reply to creating and resetting a token: the only time its
// text is shown.
type NewToken struct {
	Token
	// Secret is what clients send in x-acs-spark-livy-token.
	Secret string `json:"token"`
}

func (c *call) present(t *tokens.Token) Token {
	return Token{Token: t, State: t.State(time.Now())}
}

// check refuses what the gateway could not work with: a queue that the operator
// does not offer, an identity that the policy cannot force.
func (c *call) check(g *gateway.Gateway, s *tokens.Settings) error {
	return c.Manager.CheckToken(g, value(s.Identity), value(s.Queue))
}

// value is what p points to, or the zero value.
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
	token, secret, err := create(c.ctx(), body)
	if err != nil {
		return err
	}
	return c.replySecret(http.StatusCreated, token, secret)
}

func (c *call) replySecret(status int, token *tokens.Token, secret string) error {
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.Header().Set("ETag", etag(token.Revision, nil)) // a digest would be one of the secret
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
	owner, err := c.ownerQuery()
	if err != nil {
		return err
	}
	all, err := c.Tokens.List(c.ctx(), g.ID)
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

// onToken answers with what do makes of the token in the path.
func (c *call) onToken(do func(g *gateway.Gateway, id string) (*tokens.Token, error)) error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	id := c.r.PathValue("token")
	if err := c.mine(g, id); err != nil {
		return err
	}
	if err := c.tokenIfMatch(g, id); err != nil {
		return err
	}
	token, err := do(g, id)
	if err != nil {
		return err
	}
	return c.replyRevision(http.StatusOK, token.Revision, c.present(token))
}

// tokenIfMatch is onlyIfMatch for a token, which is read only if that is needed.
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
		return c.Tokens.Update(c.ctx(), c.order, g.ID, id, body)
	})
}

func (c *call) resetToken() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	id := c.r.PathValue("token")
	if err := c.mine(g, id); err != nil {
		return err
	}
	var body tokens.ResetRequest
	if err := c.read(&body); err != nil {
		return err
	}
	if err := c.tokenIfMatch(g, id); err != nil {
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
	id := c.r.PathValue("token")
	if err := c.mine(g, id); err != nil {
		return err
	}
	if err := c.tokenIfMatch(g, id); err != nil {
		return err
	}
	if err := c.Tokens.Revoke(c.ctx(), c.order, g.ID, id); err != nil {
		return err
	}
	return c.none()
}
