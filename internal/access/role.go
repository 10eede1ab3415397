// Package access decides who may do what through the management API: the configuration gives
// users and groups roles in workspaces.
package access

import (
	"fmt"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Role is a user's role in a workspace.
type Role uint8

// The roles. Operators and admins may do everything that lower roles may. A member is not a
// viewer: members see what they created themselves, viewers what everybody created. A user can
// have both roles.
const (
	None     Role = iota // no role is needed, only a login
	Viewer               // reads gateways, sessions and usage
	Member               // makes their own tokens and starts gateways
	Operator             // also stops gateways, closes sessions, revokes tokens, reads the audit
	Admin                // everything
)

// Roles are the roles that can be given, the lowest first.
var Roles = []Role{Viewer, Member, Operator, Admin}

var roleNames = [...]string{None: "none", Viewer: "viewer", Member: "member", Operator: "operator", Admin: "admin"}

// String returns the role's name.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// MarshalText returns the role's name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the name of a role that can be given.
func (r *Role) UnmarshalText(text []byte) error {
	for _, known := range Roles {
		if known.String() == string(text) {
			*r = known
			return nil
		}
	}
	return gateway.Invalid("role", string(text), "must be viewer, member, operator or admin")
}

// roleSet are the roles that somebody has in a workspace, a bit for each.
type roleSet uint8

func (s roleSet) has(r Role) bool     { return s&(1<<r) != 0 }
func (s roleSet) with(r Role) roleSet { return s | 1<<r }

// telling are the roles of the set that no other one of it includes.
func (s roleSet) telling() []Role {
	switch {
	case s.has(Admin):
		return []Role{Admin}
	case s.has(Operator):
		return []Role{Operator}
	}
	var some []Role
	for _, r := range []Role{Member, Viewer} {
		if s.has(r) {
			some = append(some, r)
		}
	}
	return some
}

// best is the highest role of the set.
func (s roleSet) best() Role {
	if t := s.telling(); len(t) > 0 {
		return t[0]
	}
	return None
}

func (s roleSet) String() string {
	var names []string
	for _, r := range s.telling() {
		names = append(names, r.String())
	}
	return strings.Join(names, " and ")
}
