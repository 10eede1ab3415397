package access

import (
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Everywhere is the workspace of a grant for all workspaces, and Everybody the user of a grant
// for every user who is logged in.
const (
	Everywhere = "*"
	Everybody  = "*"
)

// Grant gives users and groups a role in a workspace.
type Grant struct {
	// Workspace is a workspace's name, or Everywhere.
	Workspace string
	Role      Role
	// Users are names of users, or Everybody. Groups are names of groups.
	Users, Groups []string
}

// Principal is who makes a request, as the site identifies them.
type Principal struct {
	User   string
	Groups []string
}

// Policy has all grants. It is immutable. The nil Policy, of a configuration without roles,
// makes everybody an admin of all workspaces.
type Policy struct{ grants []Grant }

// New returns the policy for grants, or the first mistake in them.
func New(grants []Grant) (*Policy, error) {
	for _, g := range grants {
		if err := g.validate(); err != nil {
			return nil, err
		}
	}
	return &Policy{grants: slices.Clone(grants)}, nil
}

func (g *Grant) validate() error {
	if g.Workspace != Everywhere {
		if err := gateway.ValidateName("workspace", g.Workspace); err != nil {
			return err
		}
	}
	if !slices.Contains(Roles, g.Role) {
		return gateway.Invalid("role", g.Role.String(), "must be viewer, member, operator or admin")
	}
	if len(g.Users) == 0 && len(g.Groups) == 0 {
		return gateway.Errorf(gateway.KindInvalid, "the role %s in workspace %q is given to nobody: name a user or a group", g.Role, g.Workspace)
	}
	for _, name := range g.Users {
		if err := validateName("user", name); err != nil {
			return err
		}
	}
	for _, name := range g.Groups {
		if err := validateName("group", name); err != nil {
			return err
		}
		if name == Everybody {
			return gateway.Invalid("group", name, "must be a group's name; user * stands for everybody who is logged in")
		}
	}
	return nil
}

func validateName(field, name string) error {
	if name == "" || strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		return gateway.Invalid(field, name, "must be a name that neither begins nor ends with a space")
	}
	return nil
}

func (g *Grant) holdsFor(who Principal) bool {
	if who.User != "" && (slices.Contains(g.Users, who.User) || slices.Contains(g.Users, Everybody)) {
		return true
	}
	return slices.ContainsFunc(g.Groups, func(group string) bool { return slices.Contains(who.Groups, group) })
}

// Of returns the rights of a principal.
func (p *Policy) Of(who Principal) Rights {
	if p == nil {
		return Unlimited(who)
	}
	r := Rights{Principal: who, roles: make(map[string]roleSet)}
	for _, g := range p.grants {
		if g.holdsFor(who) {
			r.roles[g.Workspace] = r.roles[g.Workspace].with(g.Role)
		}
	}
	return r
}

// Unlimited returns full access, as on Caddy's admin endpoint.
func Unlimited(who Principal) Rights {
	return Rights{Principal: who, roles: map[string]roleSet{Everywhere: roleSet(0).with(Admin)}}
}
