package accesskeys

import (
	"slices"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// Key is an access key without its secret.
type Key struct {
	// ID is what requests name in Credential, "lcak-" and 16 characters. It is not a secret.
	ID   string `json:"id"`
	Name string `json:"name"`
	// State is "active", "disabled", or "unusable" if the configuration has no sealing key
	// that opens its secret.
	State string `json:"state"`
	// Role is the role of requests that are signed with the key, Workspaces where it has it:
	// names, or "*" for all.
	Role       access.Role `json:"role"`
	Workspaces []string    `json:"workspaces"`
	// User is the user that the key belongs to.
	User      string    `json:"user,omitempty"`
	CreatedBy string    `json:"createdBy"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	// LastUsedAt is when a request was last signed with the key, LastAddress where it came
	// from.
	LastUsedAt  time.Time `json:"lastUsedAt,omitzero"`
	LastAddress string    `json:"lastAddress,omitempty"`
}

// The states of an access key.
const (
	Active   = "active"
	Disabled = "disabled"
	Unusable = "unusable"
)

func (s *Service) key(row *store.AccessKeyRow) (*Key, error) {
	k := &Key{
		ID: row.ID, Name: row.Name, State: Active, Workspaces: row.Workspaces, User: row.User,
		CreatedBy: row.CreatedBy, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
		LastUsedAt: row.LastUsedAt, LastAddress: row.LastAddress,
	}
	if err := k.Role.UnmarshalText([]byte(row.Role)); err != nil {
		// Taking it for another role could give the key more access.
		return nil, gateway.Errorf(gateway.KindInternal, "access key %s has the unknown role %q", row.ID, row.Role)
	}
	if row.Disabled {
		k.State = Disabled
	} else if _, err := s.sealer.Load().Open(row.ID, row.Sealed); err != nil {
		k.State = Unusable
	}
	return k, nil
}

// Rights returns what requests that are signed with the key may do.
func (k *Key) Rights() (access.Rights, error) {
	who := access.Principal{User: k.User}
	if who.User == "" {
		who.User = k.ID
	}
	grants := make([]access.Grant, len(k.Workspaces))
	for i, w := range k.Workspaces {
		grants[i] = access.Grant{Workspace: w, Role: k.Role, Users: []string{who.User}}
	}
	policy, err := access.New(grants)
	if err != nil {
		return access.Rights{}, err
	}
	return policy.Of(who), nil
}

// write returns the write of a change with its audit entry; before is nil for a creation,
// after for a deletion.
func write(verb string, o gateway.Order, before, after *store.AccessKeyRow) store.Write {
	id := ""
	for _, row := range []*store.AccessKeyRow{before, after} {
		if row != nil {
			id = row.ID
		}
	}
	e := &store.AuditEntry{Action: "access-key." + verb, Target: id}
	e.Before, e.After = gateway.Changes(auditView(before), auditView(after))
	return store.Write{Order: o, Audit: e}
}

// auditView returns what the audit log shows of an access key.
func auditView(row *store.AccessKeyRow) any {
	if row == nil {
		return nil
	}
	return struct {
		Name       string   `json:"name"`
		User       string   `json:"user,omitempty"`
		Role       string   `json:"role"`
		Workspaces []string `json:"workspaces"`
		Disabled   bool     `json:"disabled,omitempty"`
	}{row.Name, row.User, row.Role, slices.Clone(row.Workspaces), row.Disabled}
}
