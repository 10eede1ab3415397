// Package tokens controls access to gateways: it creates tokens, verifies them on every
// request, and revokes them.
//
// A token belongs to one gateway. Its secret is shown once and never stored; only the secret's
// SHA-256 is. Verify answers from a local cache whose entries live under a second, so that a
// revoked token stops working within a second on all instances, even on those that miss the
// change event.
package tokens

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// Token is a token without its secret. Tokens that Verify returns are shared
// between requests and must not be changed.
type Token struct {
	store.TokenFields
	// RevokedAt is set when the token has been revoked.
	RevokedAt time.Time `json:"revokedAt,omitzero"`
	// Supplied reports whether the caller chose the secret.
	Supplied bool `json:"supplied,omitempty"`
	// PreviousUntil is when the secret before the last reset becomes invalid; zero if it
	// already is. PreviousUsedAt is its last use.
	PreviousUntil  time.Time `json:"previousUntil,omitzero"`
	PreviousUsedAt time.Time `json:"previousUsedAt,omitzero"`

	// LastUsedAt, LastAddress, LastAgent and Uses may be a minute behind.
	LastUsedAt  time.Time `json:"lastUsedAt,omitzero"`
	LastAddress string    `json:"lastAddress,omitempty"`
	LastAgent   string    `json:"lastAgent,omitempty"`
	Uses        int64     `json:"uses"`
	// Revision counts the changes to the token.
	Revision int64 `json:"revision"`
}

// State returns the token's state at the given time: "active", "disabled", "expired" or
// "revoked".
func (t *Token) State(now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked"
	case t.Disabled:
		return "disabled"
	case !now.Before(t.ExpiresAt):
		return "expired"
	default:
		return "active"
	}
}

// User returns whose resources the token uses: its owner's, otherwise those of the user that its
// jobs run as or, without one, of whoever created it.
func (t *Token) User() string { return cmp.Or(t.Owner, t.Identity, t.CreatedBy) }

// ExpiresSoon is how long before its expiry somebody should look at a token.
const ExpiresSoon = 7 * 24 * time.Hour

// Scope is a permission of a token.
type Scope = store.Scope

// The scopes. Sessions and batches restrict a token to one kind; without either it may use
// both. Read forbids changes. Admin cannot be combined with others: it allows everything,
// including the management of the gateway through the API of the managed product.
const (
	ScopeSessions Scope = "sessions"
	ScopeBatches  Scope = "batches"
	ScopeRead     Scope = "read"
	ScopeAdmin    Scope = "admin"
)

// AllScopes lists all scopes.
var AllScopes = []Scope{ScopeSessions, ScopeBatches, ScopeRead, ScopeAdmin}

// Access is the permission that a route requires: AccessRead or AccessWrite, with
// AccessSessions, AccessBatches or neither (e.g. GET /version).
type Access uint8

// The parts of an Access, to be combined with |.
const (
	AccessRead Access = 1 << iota
	AccessWrite
	AccessSessions
	AccessBatches
	AccessAdmin // the management of the token's gateway
)

// Allows returns nil if the token's scopes allow the access, otherwise an *Error with
// ReasonScope.
func (t *Token) Allows(a Access) error {
	if slices.Contains(t.Scopes, ScopeAdmin) {
		return nil
	}
	var missing Scope
	kinds := slices.Contains(t.Scopes, ScopeSessions) || slices.Contains(t.Scopes, ScopeBatches)
	switch {
	case a&AccessAdmin != 0:
		missing = ScopeAdmin
	case kinds && a&AccessSessions != 0 && !slices.Contains(t.Scopes, ScopeSessions):
		missing = ScopeSessions
	case kinds && a&AccessBatches != 0 && !slices.Contains(t.Scopes, ScopeBatches):
		missing = ScopeBatches
	case a&AccessWrite != 0 && slices.Contains(t.Scopes, ScopeRead):
		return &Error{
			Reason: ReasonScope, Kind: gateway.KindForbidden, TokenID: t.ID,
			Message: "this token may only read",
		}
	default:
		return nil
	}
	return &Error{
		Reason: ReasonScope, Kind: gateway.KindForbidden, TokenID: t.ID,
		Message: fmt.Sprintf("this token lacks the scope %s", missing),
	}
}

// ReadOnly reports whether the token may change nothing.
func (t *Token) ReadOnly() bool {
	return slices.Contains(t.Scopes, ScopeRead) && !slices.Contains(t.Scopes, ScopeAdmin)
}

// fromRow returns the token of a stored row.
func fromRow(r *store.TokenRow) (*Token, error) {
	for _, scope := range r.Scopes {
		if !slices.Contains(AllScopes, scope) {
			// Ignoring a scope that this version does not know could give the token more access.
			return nil, gateway.Errorf(gateway.KindInternal, "token %s has the unknown scope %q", r.ID, scope)
		}
	}
	t := &Token{
		TokenFields:    r.TokenFields,
		RevokedAt:      r.RevokedAt,
		LastUsedAt:     r.Usage.LastUsedAt,
		LastAddress:    r.Usage.LastAddress,
		LastAgent:      r.Usage.LastAgent,
		Uses:           r.Usage.Uses,
		PreviousUsedAt: r.Usage.PreviousUsedAt,
		Revision:       r.Revision,
	}
	if len(r.Secrets) > 0 {
		t.Supplied = r.Secrets[0].Supplied
	}
	if len(r.Secrets) > 1 && r.Secrets[1].Overlap > 0 {
		t.PreviousUntil = r.Secrets[1].Until
	}
	return t, nil
}

// allowsAddress reports whether a client at remote ("host:port" or "host") may use the token.
// An address that cannot be parsed is allowed only if no ranges are set.
func (t *Token) allowsAddress(remote string) bool {
	if len(t.CIDRs) == 0 {
		return true
	}
	addr := parseAddress(remote)
	for _, p := range t.CIDRs {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// parseAddress returns the address of "host:port" or "host" in canonical form, or the zero Addr
// if there is none.
func parseAddress(remote string) netip.Addr {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.Trim(remote, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
