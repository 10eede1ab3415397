package managedapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/api"
)

// tokenBody is the body of CreateLivyComputeToken and RefreshLivyComputeToken.
type tokenBody struct {
	Name                    *string     `json:"name"`
	Token                   *string     `json:"token"`
	AutoExpireConfiguration *autoExpire `json:"autoExpireConfiguration"`
}

type autoExpire struct {
	Enable     *bool `json:"enable,omitempty"`
	ExpireDays *int  `json:"expireDays,omitempty"`
}

// settings returns the body as a request of ours, and whether it brings the token's text.
func (b *tokenBody) settings() (set map[string]any, chosen bool, err error) {
	set = make(map[string]any)
	if b.Name != nil {
		set["name"] = *b.Name
	}
	if b.Token != nil && *b.Token != "" {
		set["token"], chosen = *b.Token, true
	}
	if e := b.AutoExpireConfiguration; e != nil {
		if e.Enable != nil && !*e.Enable {
			return nil, false, invalid("autoExpireConfiguration.enable", "false", "every token of this gateway expires: set expireDays, or leave it out")
		}
		if e.ExpireDays != nil {
			set["expireDays"] = *e.ExpireDays
		}
	}
	return set, chosen, nil
}

func (c *call) tokenPath() string { return c.path() + "/tokens/" + escape(c.token) }

// readToken decodes the body. A text that this gateway makes has to be kept until it is read.
func (c *call) readToken() (set map[string]any, chosen bool, err error) {
	var b tokenBody
	if err := c.decode(&b); err != nil {
		return nil, false, err
	}
	set, chosen, err = b.settings()
	if err == nil && !chosen && !c.Keys.CanSeal() {
		err = refusef(http.StatusBadRequest, codeInvalid,
			"token: must be given: without a sealing_key in its configuration this gateway cannot keep the text of a new token until you read it")
	}
	return set, chosen, err
}

func (c *call) createToken() (any, error) {
	set, chosen, err := c.readToken()
	if err != nil {
		return nil, err
	}
	var t api.NewToken
	if err := c.do(http.MethodPost, c.path()+"/tokens", set, &t); err != nil {
		return nil, err
	}
	if !chosen {
		if err := c.keep(&t); err != nil {
			// Nobody could ever learn its text.
			c.token = t.ID
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), 3*time.Second)
			defer cancel()
			c.r = c.r.WithContext(ctx)
			if undo := c.do(http.MethodDelete, c.tokenPath(), nil, nil); undo != nil {
				c.Logger.Warn("cannot revoke a token whose text could not be kept", zap.String("token", t.ID), zap.Error(undo))
			}
			return nil, err
		}
	}
	return c.done(map[string]any{"tokenId": t.ID}), nil
}

// keep keeps the text of a token for the caller, who reads it with GetLivyComputeToken.
func (c *call) keep(t *api.NewToken) error {
	return c.Keys.KeepTokenText(c.r.Context(), t.ID, c.caller.id, t.Secret)
}

func (c *call) refreshToken() (any, error) {
	set, chosen, err := c.readToken()
	if err != nil {
		return nil, err
	}
	var t api.NewToken
	if err := c.do(http.MethodPost, c.tokenPath()+"/reset", set, &t); err != nil {
		return nil, err
	}
	if !chosen {
		if err := c.keep(&t); err != nil {
			return nil, errors.Join(err, errors.New("the token has a new text that could not be kept: refresh it again"))
		}
	}
	return c.done(nil), nil
}

func (c *call) deleteToken() (any, error) { return c.plain(http.MethodDelete, c.tokenPath()) }

// token is a token as this API shows it.
type token struct {
	TokenID      string `json:"tokenId"`
	Name         string `json:"name"`
	Token        string `json:"token"`
	CreateTime   int64  `json:"createTime"`
	ExpireTime   int64  `json:"expireTime"`
	LastUsedTime int64  `json:"lastUsedTime,omitempty"`
}

// listedToken is a token in a list, where the creator has another name.
type listedToken struct {
	token
	CreatedBy string `json:"createdby"`
}

// detailedToken is the reply of GetLivyComputeToken.
type detailedToken struct {
	token
	CreatedBy               string     `json:"createdBy"`
	AutoExpireConfiguration autoExpire `json:"autoExpireConfiguration"`
}

// maskedText stands for the text of a token that cannot be shown any more.
const maskedText = "****************"

func shownToken(t *api.Token) token {
	return token{
		TokenID: t.ID, Name: t.Name, Token: maskedText,
		CreateTime: millis(t.CreatedAt), ExpireTime: millis(t.ExpiresAt), LastUsedTime: millis(t.LastUsedAt),
	}
}

func (c *call) getToken() (any, error) {
	if err := c.noBody(); err != nil {
		return nil, err
	}
	var t api.Token
	if err := c.do(http.MethodGet, c.tokenPath(), nil, &t); err != nil {
		return nil, err
	}
	if !t.RevokedAt.IsZero() {
		return nil, &refusal{status: http.StatusNotFound, code: "EntityNotExist", message: "no token " + strconv.Quote(t.ID), noted: true}
	}
	on, days := true, int(math.Round(t.ExpiresAt.Sub(t.CreatedAt).Hours()/24))
	d := detailedToken{token: shownToken(&t), CreatedBy: t.CreatedBy, AutoExpireConfiguration: autoExpire{Enable: &on, ExpireDays: &days}}
	text, err := c.Keys.TakeTokenText(c.r.Context(), t.ID, c.caller.id)
	if err != nil {
		return nil, err
	}
	if text != "" {
		d.Token = text
	}
	return c.done(d), nil
}

func (c *call) listTokens() (any, error) {
	if err := c.noBody(); err != nil {
		return nil, err
	}
	list := []listedToken{}
	err := pages(func(offset int) (int, int64, error) {
		var page api.TokenList
		err := c.do(http.MethodGet, fmt.Sprintf("%s/tokens?limit=%d&offset=%d", c.path(), pageLimit, offset), nil, &page)
		for i := range page.Tokens {
			t := &page.Tokens[i]
			list = append(list, listedToken{shownToken(t), t.CreatedBy})
		}
		return len(page.Tokens), page.Total, err
	})
	if err != nil {
		return nil, err
	}
	return c.done(map[string]any{"tokens": list}), nil
}
