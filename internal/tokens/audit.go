package tokens

import (
	"context"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// auditEntry returns the audit entry of a token's change; before is nil for a creation, after
// for a revocation. Of secrets it shows only that there is a new one.
func auditEntry(action string, before, after *store.TokenRow) *store.AuditEntry {
	row := after
	if row == nil {
		row = before
	}
	e := &store.AuditEntry{Action: action, GatewayID: row.GatewayID, Target: row.ID}
	if before == nil {
		e.Actor = row.CreatedBy
	}
	e.Before, e.After = gateway.Changes(auditView(before), auditView(after))
	if before != nil && after != nil && before.Secrets[0].Sum != after.Secrets[0].Sum {
		e.Detail = "the token has a new secret"
	}
	return e
}

// revokeEntry returns the audit entry of a revocation. If the token cannot be read, the entry
// lacks its former state: that must not prevent a revocation.
func (s *Service) revokeEntry(ctx context.Context, gatewayID, id string) *store.AuditEntry {
	row, err := s.row(ctx, gatewayID, id)
	if err != nil {
		return &store.AuditEntry{Action: "token.revoke", GatewayID: gatewayID, Target: id}
	}
	return auditEntry("token.revoke", row, nil)
}

// auditView returns what the audit log shows of a token.
func auditView(row *store.TokenRow) any {
	if row == nil {
		return nil
	}
	v := auditFields{TokenFields: row.TokenFields, CreatedBy: row.CreatedBy, Disabled: row.Disabled}
	if len(row.Secrets) > 1 {
		v.PreviousUntil = row.Secrets[1].Until.Format(time.RFC3339)
	}
	return v
}

type auditFields struct {
	store.TokenFields
	// These shadow the fields of the same names and stay empty: the entry itself has the
	// ids, and the times add no information.
	ID        string `json:"id,omitempty"`
	GatewayID string `json:"gatewayId,omitempty"`
	CreatedAt string `json:"createdAt,omitempty"`
	UpdatedAt string `json:"updatedAt,omitempty"`
	CreatedBy string `json:"createdBy,omitempty"`
	Disabled  bool   `json:"disabled,omitempty"`

	PreviousUntil string `json:"previousUntil,omitempty"`
}
