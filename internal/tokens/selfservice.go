package tokens

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// SelfService limits the tokens that users make for themselves. Zero values are the
// defaults.
type SelfService struct {
	// MaxLifetime is the longest life of such a token. Default 30 days, or
	// Options.MaxLifetime if that is less.
	MaxLifetime time.Duration
	// MaxTokens is how many tokens a user may have, over all gateways. Default 5.
	MaxTokens int
	// Scopes are those that such a token may have. Default sessions, batches and read.
	Scopes []Scope
}

// Bounds of SelfService.
const (
	defaultSelfLifetime = 30 * 24 * time.Hour
	defaultSelfTokens   = 5
	maxSelfTokens       = 1000
)

// Validate reports the first mistake in the bounds.
func (b SelfService) Validate() error {
	if b.MaxLifetime != 0 && b.MaxLifetime < MinLifetime {
		return gateway.Invalid("max_lifetime", b.MaxLifetime.String(), "must be at least one day")
	}
	if b.MaxTokens < 0 || b.MaxTokens > maxSelfTokens {
		return gateway.Invalid("max_tokens", fmt.Sprint(b.MaxTokens), fmt.Sprintf("must be from 1 to %d", maxSelfTokens))
	}
	if slices.Contains(b.Scopes, ScopeAdmin) {
		return gateway.Invalid("scopes", string(ScopeAdmin), "must be among sessions, batches and read: users cannot give themselves the management of a gateway")
	}
	return checkScopes(b.Scopes)
}

// Bounds returns the limits in effect, with defaults.
func (s *Service) Bounds(b SelfService) SelfService {
	b.MaxLifetime = cmp.Or(b.MaxLifetime, defaultSelfLifetime)
	if s.o.MaxLifetime > 0 {
		b.MaxLifetime = min(b.MaxLifetime, s.o.MaxLifetime)
	}
	b.MaxTokens = cmp.Or(b.MaxTokens, defaultSelfTokens)
	if len(b.Scopes) == 0 {
		b.Scopes = []Scope{ScopeSessions, ScopeBatches, ScopeRead}
	}
	return b
}

// kindsOf returns the scopes that select a kind.
func kindsOf(scopes []Scope) []Scope {
	return slices.DeleteFunc(slices.Clone(scopes), func(s Scope) bool { return s != ScopeSessions && s != ScopeBatches })
}

// scopes returns the scopes of a token for which these were requested, nil for the usual ones.
func (b SelfService) scopes(asked *[]Scope) ([]Scope, error) {
	kinds := kindsOf(b.Scopes)
	readOnly := len(kinds) == 0
	if asked == nil {
		switch {
		case readOnly:
			return []Scope{ScopeRead}, nil
		case len(kinds) == 2: // all of the gateway's sessions and batches
			return nil, nil
		}
		return kinds, nil
	}
	wanted := kindsOf(*asked)
	if len(wanted) == 0 {
		wanted = []Scope{ScopeSessions, ScopeBatches} // which is what none means
	}
	missing := func(s Scope) bool { return !readOnly && !slices.Contains(kinds, s) }
	if slices.Contains(*asked, ScopeAdmin) || slices.ContainsFunc(wanted, missing) || readOnly && !slices.Contains(*asked, ScopeRead) {
		return nil, gateway.Invalid("scopes", joinScopes(*asked), "must be within the scopes of tokens that users make for themselves: "+joinScopes(b.Scopes))
	}
	return *asked, nil
}

func joinScopes(scopes []Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

// CreateOwn makes a token that a user asks for: it is the user's own, its jobs run as
// the user, and it is within bounds. The secret is returned here and never again.
func (s *Service) CreateOwn(ctx context.Context, r CreateRequest, user string, b SelfService) (*Token, string, error) {
	b = s.Bounds(b)
	if err := b.own(&r, user); err != nil {
		return nil, "", err
	}
	scopes, err := b.scopes(r.Scopes)
	if err != nil {
		return nil, "", err
	}
	if err := checkScopes(scopes); err != nil {
		return nil, "", err
	}
	r.Scopes, r.Owner, r.Identity = &scopes, user, &user
	return s.create(ctx, r, b.MaxLifetime, b.MaxTokens)
}

// own returns an error for settings that users cannot choose for themselves.
func (b SelfService) own(r *CreateRequest, user string) error {
	if err := CheckOwner(user); err != nil {
		return err
	}
	switch {
	case r.Owner != "" && r.Owner != user:
		return gateway.Errorf(gateway.KindForbidden, "owner: a token for another user requires the role admin (got %q)", r.Owner)
	case r.Identity != nil && *r.Identity != "" && *r.Identity != user:
		return gateway.Errorf(gateway.KindForbidden, "identity: jobs of your own tokens run as you; another identity requires the role admin (got %q)", *r.Identity)
	case r.Queue != nil && *r.Queue != "":
		return gateway.Errorf(gateway.KindForbidden, "queue: a token with its own queue requires the role admin (got %q)", *r.Queue)
	case r.Secret != "":
		return gateway.Errorf(gateway.KindForbidden, "token: choosing the token's text requires the role admin; leave it out to have one generated")
	}
	return nil
}

// maxOwnerLength bounds the name of an owner, in bytes.
const maxOwnerLength = 256

func validOwner(name string) bool {
	return name != "" && len(name) <= maxOwnerLength && utf8.ValidString(name) && strings.TrimSpace(name) == name &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// CheckOwner refuses a user who cannot make tokens for themselves, since no job could run
// as that user.
func CheckOwner(user string) error {
	if err := gateway.ValidateIdentity("user", user); err != nil {
		return gateway.Invalid("user", user,
			"is not a name that jobs can run as: at most 128 letters, digits and _.@-, beginning with a letter or underscore; "+
				"ask an admin for a token, or configure the login to report another name")
	}
	return nil
}

// ResetOwn is Reset by a token's owner, who cannot choose the text, nor the expiry of a token
// that somebody else made.
func (s *Service) ResetOwn(ctx context.Context, o gateway.Order, gatewayID, id string, r ResetRequest, b SelfService) (*Token, string, error) {
	if r.Secret != "" {
		return nil, "", gateway.Errorf(gateway.KindForbidden, "token: choosing the token's text requires the role admin; leave it out to have one generated")
	}
	if r.ExpireDays != nil || r.ExpiresAt != nil || r.Name != nil {
		row, err := s.row(ctx, gatewayID, id)
		if err != nil {
			return nil, "", err
		}
		if row.CreatedBy != row.Owner {
			return nil, "", gateway.Errorf(gateway.KindForbidden, "only an admin can change the name or expiry of a token that %s made for you", row.CreatedBy)
		}
	}
	return s.reset(ctx, o, gatewayID, id, r, s.Bounds(b).MaxLifetime)
}

// Owned returns the tokens of a user on all gateways, newest first, followed by revoked ones.
func (s *Service) Owned(ctx context.Context, user string) ([]*Token, error) {
	rows, err := s.rows.OwnedTokens(ctx, user)
	if err != nil {
		return nil, err
	}
	return fromRows(rows)
}

// Owns reports whether a token of a gateway, also a revoked one, is the user's.
func (s *Service) Owns(ctx context.Context, user, gatewayID, id string) (bool, error) {
	if user == "" || id == "" {
		return false, nil
	}
	row, err := s.rows.Token(ctx, id)
	if err != nil {
		if gateway.KindOf(err) == gateway.KindNotFound {
			err = nil
		}
		return false, err
	}
	return row.GatewayID == gatewayID && row.Owner == user, nil
}

func fromRows(rows []*store.TokenRow) ([]*Token, error) {
	list := make([]*Token, 0, len(rows))
	for _, row := range rows {
		t, err := fromRow(row)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// ByID returns tokens, including revoked ones. Unknown ids are skipped.
func (s *Service) ByID(ctx context.Context, ids []string) ([]*Token, error) {
	rows, err := s.rows.TokensByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	return fromRows(slices.DeleteFunc(rows, func(r *store.TokenRow) bool { return r == nil }))
}
