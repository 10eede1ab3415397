package access

import (
	"cmp"
	"slices"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Action is what a call needs: a role and how far lesser roles get.
type Action struct {
	// Role is the least role that may do it to everything in the workspace. None is
	// for whoever is logged in.
	Role Role
	// Own reports whether a member may do it too, to tokens that are its own and to
	// what was made with them. A viewer who is no member then needs Role.
	Own bool
}

// Reach is how far somebody gets with an action in a workspace.
type Reach uint8

// The reaches.
const (
	Nothing Reach = iota
	Own           // tokens of one's own, and what was made with them
	All
)

// Rights are what one principal may do.
type Rights struct {
	Principal
	roles map[string]roleSet // by workspace
}

func (r Rights) in(workspace string) roleSet { return r.roles[Everywhere] | r.roles[workspace] }

// Reach reports how far the principal gets with an action in a workspace.
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

// Allow reports how far the principal gets with an action in a workspace, or why it gets
// nowhere: KindForbidden names the missing role. A workspace in which the principal has
// no role is KindNotFound, as one that does not exist.
func (r Rights) Allow(a Action, workspace string) (Reach, error) {
	reach := r.Reach(a, workspace)
	switch {
	case reach != Nothing:
		return reach, nil
	case r.in(workspace) == 0:
		return Nothing, gateway.Errorf(gateway.KindNotFound, "no workspace %q", workspace)
	default:
		return Nothing, gateway.Errorf(gateway.KindForbidden, "this needs the role %s in workspace %q; you are %s",
			a.least(), workspace, r.in(workspace))
	}
}

// AllowSomewhere is Allow for an action on all workspaces at once, which takes in those
// where the principal may do it: there must be one.
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
		return gateway.Errorf(gateway.KindForbidden, "this needs the role %s in a workspace; you have no role: ask who runs this gateway for one", a.least())
	}
	var all roleSet
	for _, s := range r.roles {
		all |= s
	}
	return gateway.Errorf(gateway.KindForbidden, "this needs the role %s in a workspace; you are %s", a.least(), all)
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
