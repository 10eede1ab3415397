// Package tokens is about who may use a gateway: it mints tokens, verifies
// them on every request, and takes them back.
//
// A token belongs to one gateway. Its secret is shown once and never stored;
// what is stored is the secret's SHA-256. Verify answers from a local cache
// whose entries live under a second, so that a revoked token stops working
// within a second everywhere, whether or not instances hear of it.
package tokens

import (
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
	// ID is the token's public id, "lctk-" and 16 characters of a-z0-9. It names
	// the token in records, logs and the API, and cannot be used to log in.
	ID        string    `json:"id"`
	GatewayID string    `json:"gatewayId"`
	Name      string    `json:"name"`
	CreatedBy string    `json:"createdBy"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	ExpiresAt time.Time `json:"expiresAt"`
	Disabled  bool      `json:"disabled"`
	// RevokedAt is set when the token has been revoked.
	RevokedAt time.Time `json:"revokedAt,omitzero"`
	// Supplied says that the caller chose the secret.
	Supplied bool `json:"supplied,omitempty"`
	// PreviousUntil is until when the secret before the last reset works too;
	// zero if it does not. PreviousUsedAt is when it was used last.
	PreviousUntil  time.Time `json:"previousUntil,omitzero"`
	PreviousUsedAt time.Time `json:"previousUsedAt,omitzero"`

	// Scopes limit what the token may do; none means all of the gateway's
	// sessions and batches.
	Scopes []Scope `json:"scopes,omitempty"`
	// CIDRs are the addresses that may use the token; none means all.
	CIDRs []netip.Prefix `json:"cidrs,omitempty"`
	// Identity is the user that jobs of this token run as, instead of the
	// gateway's; Queue likewise. Empty means the gateway's.
	Identity string `json:"identity,omitempty"`
	Queue    string `json:"queue,omitempty"`
	Limits

	// LastUsedAt, LastAddress, LastAgent and Uses may be a minute behind.
	LastUsedAt  time.Time `json:"lastUsedAt,omitzero"`
	LastAddress string    `json:"lastAddress,omitempty"`
	LastAgent   string    `json:"lastAgent,omitempty"`
	Uses        int64     `json:"uses"`
	// Revision counts the changes to the token.
	Revision int64 `json:"revision"`
}

// Limits are a token's limits; 0 means none.
type Limits struct {
	// MaxSessions and MaxBatches are how many live ones the token may have.
	MaxSessions int `json:"maxSessions,omitempty"`
	MaxBatches  int `json:"maxBatches,omitempty"`
	// RequestsPerSecond is what each instance lets the token do, with bursts of
	// as many requests (at least one).
	RequestsPerSecond float64 `json:"requestsPerSecond,omitempty"`
}

// State says in one word whether a token works at the given time: "active",
// "disabled", "expired" or "revoked".
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

// Scope is a part of what tokens may do.
type Scope string

// The scopes. Sessions and batches choose a kind (neither means both), read
// takes writing away, and admin stands alone: it allows everything, and the
// management of its gateway besides.
const (
	ScopeSessions Scope = "sessions"
	ScopeBatches  Scope = "batches"
	ScopeRead     Scope = "read"
	ScopeAdmin    Scope = "admin"
)

// AllScopes are all scopes.
var AllScopes = []Scope{ScopeSessions, ScopeBatches, ScopeRead, ScopeAdmin}

// Access is what a route asks of a token: AccessRead or AccessWrite, with
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

// Allows returns nil if the token's scopes allow the access, else an *Error
// with ReasonScope.
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
		return &Error{Reason: ReasonScope, Kind: gateway.KindForbidden, TokenID: t.ID, Message: "this token may only read"}
	default:
		return nil
	}
	return &Error{
		Reason: ReasonScope, Kind: gateway.KindForbidden, TokenID: t.ID,
		Message: fmt.Sprintf("this token lacks the scope %s", missing),
	}
}

// fromRow makes a token of what is stored.
func fromRow(r *store.TokenRow) (*Token, error) {
	t := &Token{
		ID: r.ID, GatewayID: r.GatewayID, Name: r.Name, CreatedBy: r.CreatedBy,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, ExpiresAt: r.ExpiresAt,
		Disabled: r.Disabled, RevokedAt: r.RevokedAt,
		Identity: r.Identity, Queue: r.Queue,
		Limits:         Limits{MaxSessions: r.MaxSessions, MaxBatches: r.MaxBatches, RequestsPerSecond: r.RequestsPerSecond},
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
	for _, s := range r.Scopes {
		if !slices.Contains(AllScopes, Scope(s)) {
			// Passing a limit over that we do not know could open the token wide.
			return nil, gateway.Errorf(gateway.KindInternal, "token %s has the scope %q, which this version does not know", r.ID, s)
		}
		t.Scopes = append(t.Scopes, Scope(s))
	}
	for _, c := range r.CIDRs {
		p, err := netip.ParsePrefix(c)
		if err != nil {
			// Dropping the range could open the token to everyone.
			return nil, gateway.Wrap(gateway.KindInternal, "reading the address ranges of token "+r.ID, err)
		}
		t.CIDRs = append(t.CIDRs, p)
	}
	return t, nil
}

// allowsAddress reports whether a client at remote ("host:port" or "host") may
// use the token. An address that cannot be read is allowed only where no ranges
// are set.
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

// parseAddress returns the address of "host:port" or "host" in its plain form,
// the zero Addr if there is none.
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
