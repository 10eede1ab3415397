package openapi

import (
	"fmt"
	"strings"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/api"
)

// NeedsRole states in a sentence which role a call requires.
func NeedsRole(r *api.Route) string {
	role := r.Access.Role.String()
	const own = "; a member reaches their own tokens and what was created with them."
	switch {
	case r.Access.Role == access.None:
		return "Requires a login, but no role."
	case r.InWorkspace() && r.Access.Own:
		return "Requires the role " + role + own
	case r.InWorkspace():
		return "Requires the role " + role + "."
	case r.Access.Own:
		return "Covers the workspaces in which the caller has the role " + role + own
	default:
		return "Covers the workspaces in which the caller has the role " + role + "."
	}
}

// Roles is a table for docs/access.md of the calls that each role can make.
func Roles() string {
	var b strings.Builder
	b.WriteString("| |")
	for _, role := range access.Roles {
		b.WriteString(" " + role.String() + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(access.Roles)) + "\n")
	words := [...]string{access.Nothing: "", access.Own: "own", access.All: "yes"}
	for _, r := range api.Routes() {
		if r.Access.Role == access.None {
			continue
		}
		fmt.Fprintf(&b, "| %s |", r.Summary)
		for _, role := range access.Roles {
			policy, err := access.New([]access.Grant{{Workspace: "w", Role: role, Users: []string{"u"}}})
			if err != nil {
				panic(err)
			}
			fmt.Fprintf(&b, " %s |", words[policy.Of(access.Principal{User: "u"}).Reach(r.Access, "w")])
		}
		b.WriteString("\n")
	}
	return b.String()
}
