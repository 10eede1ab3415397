package caddymodule

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/internal/tokens"
)

// TokenRules are settings of the tokens of all gateways.
type TokenRules struct {
	// The longest lifetime that a token may have. At least one day. Default: no limit.
	MaxLifetime caddy.Duration `json:"max_lifetime,omitempty"`

	// How long a token that was verified before is still accepted for GET requests while Redis
	// cannot be reached, so that a short outage does not interrupt notebooks and polls. A token
	// that is revoked during that time is still accepted on an instance without a connection to
	// Redis; otherwise revocation takes effect within a second. 0 disables it. Default: 60s.
	Grace *caddy.Duration `json:"grace,omitempty"`

	// Limits on the tokens that members make for themselves; see roles.
	SelfService *SelfServiceRules `json:"self_service,omitempty"`
}

func (r *TokenRules) options() (o tokens.Options) {
	if r == nil {
		return o
	}
	o.MaxLifetime = time.Duration(r.MaxLifetime)
	if r.Grace != nil {
		if o.Grace = time.Duration(*r.Grace); o.Grace == 0 {
			o.Grace = -1 // 0 is the default in tokens.Options
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
