package caddymodule

import (
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/tokens"
)

// SelfServiceRules limit the tokens that members make for themselves.
type SelfServiceRules struct {
	// The longest lifetime of such a token, at least one day. Default: 30 days, or `max_lifetime`
	// of all tokens if that is less.
	MaxLifetime caddy.Duration `json:"max_lifetime,omitempty"`

	// The number of such tokens that a user may have, on all gateways together. Default: 5.
	MaxTokens int `json:"max_tokens,omitempty"`

	// The scopes that such a token may have, among `sessions`, `batches` and `read`.
	// Default: all three.
	Scopes []string `json:"scopes,omitempty"`
}

// selfService returns the limits for package tokens.
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

// ofCore returns the rules that the core depends on. The others can change without a new core.
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
			if err := directive.Duration(d, &r.SelfService.MaxLifetime); err != nil {
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
			if err := directive.Append(d, &r.SelfService.Scopes); err != nil {
				return err
			}
		default:
			return d.Errf("unknown option %q of self_service", option)
		}
	}
	return nil
}
