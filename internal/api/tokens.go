package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

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

// TokenSettings is what can be said of a token when it is made and later; what
// is left out stays as it is, or has its default.
type TokenSettings struct {
	Name *string `json:"name,omitempty"`
	// ExpireDays is the token's life in days from now, at least 1, default 365;
	// ExpiresAt says the same as a time. Only one of them can be given.
	ExpireDays *int       `json:"expireDays,omitempty"`
	ExpiresAt  *time.Time `json:"expiresAt,omitempty"`
	// Scopes limit what the token may do: sessions, batches, read, admin.
	Scopes *[]tokens.Scope `json:"scopes,omitempty"`
	// CIDRs are the address ranges that may use it.
	CIDRs *[]string `json:"cidrs,omitempty"`
	// Identity and Queue are forced into its jobs instead of the gateway's.
	Identity *string `json:"identity,omitempty"`
	Queue    *string `json:"queue,omitempty"`
	// MaxSessions and MaxBatches bound its live ones, RequestsPerSecond what it
	// may ask of each instance; 0 means no limit.
	MaxSessions       *int     `json:"maxSessions,omitempty"`
	MaxBatches        *int     `json:"maxBatches,omitempty"`
	RequestsPerSecond *float64 `json:"requestsPerSecond,omitempty"`
}

// CreateToken is the body of a create call.
type CreateToken struct {
	TokenSettings
	// Secret is a text to use as the token, of at least 16 characters, for
	// clients that have one already. Default: a new one is made.
	Secret string `json:"token,omitempty"`
}

// ResetToken is the body of a reset call.
type ResetToken struct {
	// OverlapHours is how long the old secret works beside the new one: 0 to 168.
	OverlapHours float64 `json:"overlapHours,omitempty"`
	// Secret as in CreateToken.
	Secret string `json:"token,omitempty"`
	// ExpireDays or ExpiresAt, when given, change the expiry too.
	ExpireDays *int       `json:"expireDays,omitempty"`
	ExpiresAt  *time.Time `json:"expiresAt,omitempty"`
}

func (c *call) present(t *tokens.Token) Token {
	return Token{Token: t, State: t.State(time.Now())}
}

// check refuses what the gateway could not work with: a queue that the operator
// does not offer, an identity that the policy cannot force.
func (c *call) check(g *gateway.Gateway, s *TokenSettings) error {
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
	var body CreateToken
	if err := c.read(&body); err != nil {
		return err
	}
	if err := c.check(g, &body.TokenSettings); err != nil {
		return err
	}
	if body.ExpireDays != nil && *body.ExpireDays == 0 {
		return gateway.Invalid("expireDays", "0", "must be at least 1 day")
	}
	token, secret, err := c.Tokens.Create(c.ctx(), tokens.CreateRequest{
		GatewayID: g.ID, CreatedBy: c.actor, Name: value(body.Name),
		ExpireDays: value(body.ExpireDays), ExpiresAt: value(body.ExpiresAt), Secret: body.Secret,
		Scopes: value(body.Scopes), CIDRs: value(body.CIDRs), Identity: value(body.Identity), Queue: value(body.Queue),
		Limits: tokens.Limits{
			MaxSessions: value(body.MaxSessions), MaxBatches: value(body.MaxBatches),
			RequestsPerSecond: value(body.RequestsPerSecond),
		},
	})
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
	all, err := c.Tokens.List(c.ctx(), g.ID)
	if err != nil {
		return err
	}
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
		var body TokenSettings
		if err := c.read(&body); err != nil {
			return nil, err
		}
		if err := c.check(g, &body); err != nil {
			return nil, err
		}
		return c.Tokens.Update(c.ctx(), g.ID, id, tokens.Change{
			Name: body.Name, ExpireDays: body.ExpireDays, ExpiresAt: body.ExpiresAt,
			Scopes: body.Scopes, CIDRs: body.CIDRs, Identity: body.Identity, Queue: body.Queue,
			MaxSessions: body.MaxSessions, MaxBatches: body.MaxBatches, RequestsPerSecond: body.RequestsPerSecond,
		})
	})
}

func (c *call) resetToken() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	var body ResetToken
	if err := c.read(&body); err != nil {
		return err
	}
	const longest = float64(tokens.MaxOverlap / time.Hour)
	if n := body.OverlapHours; n < 0 || n > longest {
		return gateway.Invalid("overlapHours", strconv.FormatFloat(n, 'g', -1, 64), fmt.Sprintf("must be from 0 to %g", longest))
	}
	if err := c.tokenIfMatch(g, c.r.PathValue("token")); err != nil {
		return err
	}
	token, secret, err := c.Tokens.Reset(c.ctx(), g.ID, c.r.PathValue("token"), tokens.ResetRequest{
		Overlap: time.Duration(body.OverlapHours * float64(time.Hour)), Secret: body.Secret,
		ExpireDays: body.ExpireDays, ExpiresAt: body.ExpiresAt,
	})
	if err != nil {
		return err
	}
	return c.replySecret(http.StatusOK, token, secret)
}

func (c *call) disableToken() error {
	return c.onToken(func(g *gateway.Gateway, id string) (*tokens.Token, error) {
		return c.Tokens.Disable(c.ctx(), g.ID, id)
	})
}

func (c *call) enableToken() error {
	return c.onToken(func(g *gateway.Gateway, id string) (*tokens.Token, error) {
		return c.Tokens.Enable(c.ctx(), g.ID, id)
	})
}

func (c *call) revokeToken() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	id := c.r.PathValue("token")
	if err := c.tokenIfMatch(g, id); err != nil {
		return err
	}
	if err := c.Tokens.Revoke(c.ctx(), g.ID, id); err != nil {
		return err
	}
	return c.none()
}
