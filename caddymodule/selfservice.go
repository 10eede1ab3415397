package caddymodule

import (
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/internal/tokens"
)

// SelfServiceRules bounds the tokens that members make for themselves.
type SelfServiceRules struct {
	// The longest life of such a token, at least one day. Default: 30 days, or
	// `max_lifetime` of all tokens if that is less.
	MaxLifetime caddy.Duration `json:"max_lifetime,omitempty"`

	// How many such tokens a user may have, over all gateways. Default: 5.
	MaxTokens int `json:"max_tokens,omitempty"`

	// The scopes that such a token may have: some of `sessions`, `batches` and `read`.
	// Default: all three.
	Scopes []string `json:"scopes,omitempty"`
}

// selfService are the bounds as package tokens has them.
func (r *TokenRules) selfService() (b tokens.SelfService) {
	if r == nil || r.SelfService == nil {
		return b
	}
	b.MaxLifetime, b.MaxTokens = time.Duration(r.SelfService.MaxLifetime), r.SelfService.MaxTokens
	for _, scope := range r.SelfService.Scopes {
		b.Scopes = append(b.Scopes, tokens.Scope(scope))
	}
	return b
}

// ofCore are the rules that the core goes by: it lives on where others change.
func (r *TokenRules) ofCore() *TokenRules {
	if r == nil {
		return nil
	}
	core := *r
	if core.SelfService = nil; core == (TokenRules{}) {
		return nil
	}
	return &core
}

func (r *TokenRules) unmarshalSelfService(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	r.SelfService = new(SelfServiceRules)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch option := d.Val(); option {
		case "max_lifetime":
			if err := durationArg(d, &r.SelfService.MaxLifetime); err != nil {
				return err
			}
		case "max_tokens":
			var text string
			if !d.AllArgs(&text) {
				return d.ArgErr()
			}
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return d.Errf("max_tokens: %q is not a number of tokens such as 5", text)
			}
			r.SelfService.MaxTokens = n
		case "scopes":
			if err := appendArgs(d, &r.SelfService.Scopes); err != nil {
				return err
			}
		default:
			return d.Errf("unknown option %q of self_service", option)
		}
	}
	return nil
}
