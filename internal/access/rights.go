package access

import (
	"cmp"
	"slices"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Action is what a call requires: a role, and whether lower roles reach a part.
type Action struct {
	// Role is the lowest role that may do it to everything in the workspace. None means every
	// user who is logged in.
	Role Role
	// Own reports whether members may do it too, to their own tokens and what was created with
	// them. A viewer who is not a member then needs Role.
	Own bool
}

// Reach is what an action of a user covers in a workspace.
type Reach uint8

// The reaches.
const (
	Nothing Reach = iota
	Own           // the user's own tokens, and what was created with them
	All
)

// Rights are the roles of one principal.
type Rights struct {
	Principal
	roles map[string]roleSet // by workspace
}

func (r Rights) in(workspace string) roleSet { return r.roles[Everywhere] | r.roles[workspace] }

// Reach returns what an action of the principal covers in a workspace.
func (r Rights) Reach(a Action, workspace string) Reach {
	s := r.in(workspace)
	best := s.best()
	switch {
	case a.Role == None:
		return All
	case best >= Operator && best >= a.Role:
		return All
	case a.Own && a.Role == Viewer && s.has(Viewer):
		return All
	case a.Own && best >= Member:
		return Own
	case !a.Own && best >= a.Role:
		return All
	default:
		return Nothing
	}
}

// Allow is Reach, but fails if that is Nothing: with KindForbidden, which names the missing
// role, or with KindNotFound for a workspace in which the principal has no role, as if it did
// not exist.
func (r Rights) Allow(a Action, workspace string) (Reach, error) {
	reach := r.Reach(a, workspace)
	switch {
	case reach != Nothing:
		return reach, nil
	case r.in(workspace) == 0:
		return Nothing, gateway.Errorf(gateway.KindNotFound, "no workspace %q", workspace)
	default:
		return Nothing, gateway.Errorf(gateway.KindForbidden, "this requires the role %s in workspace %q; you are %s",
			a.least(), workspace, r.in(workspace))
	}
}

// AllowSomewhere is Allow for an action on all workspaces together. It fails if the principal
// may not do it in any of them.
func (r Rights) AllowSomewhere(a Action) error {
	if a.Role == None {
		return nil
	}
	for workspace := range r.roles {
		if r.Reach(a, workspace) != Nothing {
			return nil
		}
	}
	if len(r.roles) == 0 {
		return gateway.Errorf(gateway.KindForbidden, "this requires the role %s in a workspace; you have no role; ask the operator of this gateway for one", a.least())
	}
	var all roleSet
	for _, s := range r.roles {
		all |= s
	}
	return gateway.Errorf(gateway.KindForbidden, "this requires the role %s in a workspace; you are %s", a.least(), all)
}

// least is the least role that gets anywhere with the action.
func (a Action) least() Role {
	if a.Own {
		return max(min(a.Role, Member), Viewer)
	}
	return a.Role
}

// WorkspaceRole is a role in a workspace.
type WorkspaceRole struct {
	// Workspace is a workspace's name, or "*" for all.
	Workspace string `json:"workspace"`
	Role      Role   `json:"role"`
}

// List lists the principal's roles, by workspace. Roles that another one of the same
// workspace includes are left out.
func (r Rights) List() []WorkspaceRole {
	list := []WorkspaceRole{}
	for workspace, s := range r.roles {
		for _, role := range s.telling() {
			list = append(list, WorkspaceRole{workspace, role})
		}
	}
	slices.SortFunc(list, func(a, b WorkspaceRole) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(b.Role, a.Role))
	})
	return list
}
