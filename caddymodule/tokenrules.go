package caddymodule

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/internal/tokens"
)

// TokenRules is what holds for the tokens of all gateways.
type TokenRules struct {
	// The longest life that a token may be given, at least one day. Default: no
	// limit.
	MaxLifetime caddy.Duration `json:"max_lifetime,omitempty"`

	// How long a token that was verified before goes on to be good for GET
	// requests while Redis cannot be reached, so that a short outage does not
	// end notebooks and polls. It is the one bound on revocation beyond a second,
	// and only on an instance that is cut off from Redis. 0 turns it off.
	// Default: 60s.
	Grace *caddy.Duration `json:"grace,omitempty"`

	// What holds for tokens that members make for themselves; see roles.
	SelfService *SelfServiceRules `json:"self_service,omitempty"`
}

func (r *TokenRules) options() (o tokens.Options) {
	if r == nil {
		return o
	}
	o.MaxLifetime = time.Duration(r.MaxLifetime)
	if r.Grace != nil {
		if o.Grace = time.Duration(*r.Grace); o.Grace == 0 {
			o.Grace = -1 // tokens.Options takes 0 for the default
		}
	}
	return o
}

func (a *App) unmarshalTokens(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	a.Tokens = new(TokenRules)
	for d.NextBlock(1) {
		option := d.Val()
		if option == "self_service" {
			if err := a.Tokens.unmarshalSelfService(d); err != nil {
				return err
			}
			continue
		}
		var text string
		if !d.AllArgs(&text) {
			return d.ArgErr()
		}
		duration, err := caddy.ParseDuration(text)
		if err != nil || duration < 0 {
			return d.Errf("%s: %q is not a duration such as 90d or 60s", option, text)
		}
		value := caddy.Duration(duration)
		switch option {
		case "max_lifetime":
			if duration < tokens.MinLifetime {
				return d.Errf("max_lifetime: must be at least one day (got %s)", text)
			}
			a.Tokens.MaxLifetime = value
		case "grace":
			a.Tokens.Grace = &value
		default:
			return d.Errf("unknown option %q of tokens", option)
		}
	}
	return nil
}
