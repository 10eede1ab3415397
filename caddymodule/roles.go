package caddymodule

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/access"
)

// Roles define who may do what through the management API on sites. A user without a role has
// no access.
type Roles struct {
	// The roles of users and groups in workspaces.
	Grants []*RoleGrant `json:"grants,omitempty"`
}

// RoleGrant gives a role to users and groups.
type RoleGrant struct {
	// The workspace in which they have the role. Default: `*`, all workspaces.
	Workspace string `json:"workspace,omitempty"`

	// `viewer`, `member`, `operator` or `admin`.
	Role string `json:"role,omitempty"`

	// Names of users, as the site's authentication reports them; `*` means every user who is
	// logged in.
	Users []string `json:"users,omitempty"`

	// Names of groups, as the site's `livy_api` reports them.
	Groups []string `json:"groups,omitempty"`
}

// policy returns the policy for the roles, nil without roles.
func (r *Roles) policy() (*access.Policy, error) {
	if r == nil {
		return nil, nil
	}
	grants := make([]access.Grant, len(r.Grants))
	for i, g := range r.Grants {
		grants[i] = access.Grant{Workspace: g.Workspace, Users: g.Users, Groups: g.Groups}
		if g.Workspace == "" {
			grants[i].Workspace = access.Everywhere
		}
		if err := grants[i].Role.UnmarshalText([]byte(g.Role)); err != nil {
			return nil, fmt.Errorf("roles: %w", err)
		}
	}
	policy, err := access.New(grants)
	if err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	return policy, nil
}

// unmarshalRoles parses the option
//
//	roles {
//	    <role> [user <name>...] [group <name>...]
//	    workspace <name> {
//	        <role> [user <name>...] [group <name>...]
//	    }
//	}
//
// Names can also be separated by commas.
func (a *App) unmarshalRoles(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	a.Roles = new(Roles)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "workspace" {
			if err := a.Roles.unmarshalGrant(d, ""); err != nil {
				return err
			}
			continue
		}
		var workspace string
		if err := directive.Text(d, &workspace); err != nil {
			return err
		}
		for inner := d.Nesting(); d.NextBlock(inner); {
			if err := a.Roles.unmarshalGrant(d, workspace); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Roles) unmarshalGrant(d *caddyfile.Dispenser, workspace string) error {
	g := &RoleGrant{Workspace: workspace, Role: d.Val()}
	if err := new(access.Role).UnmarshalText([]byte(g.Role)); err != nil {
		return d.Errf("roles: %v", err)
	}
	var names *[]string
	for _, arg := range d.RemainingArgs() {
		word := strings.Trim(arg, ",")
		switch {
		case arg == "user":
			names = &g.Users
		case arg == "group":
			names = &g.Groups
		case names == nil:
			return d.Errf("%s: %q must follow user or group, as in: %s user %s", g.Role, arg, g.Role, arg)
		case word != "":
			*names = append(*names, word)
		case arg == "":
			return directive.Empty(d, g.Role)
		}
	}
	if len(g.Users) == 0 && len(g.Groups) == 0 {
		return d.Errf("%s: name those who have the role, as in: %s user ann group platform", g.Role, g.Role)
	}
	r.Grants = append(r.Grants, g)
	return nil
}
