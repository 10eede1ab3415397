package tokens

import (
	"context"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// told puts the entry of a token's change into the context, for the audit. Of
// secrets it says only that there is a new one.
func told(ctx context.Context, action string, before, after *store.TokenRow) context.Context {
	row := after
	if row == nil {
		row = before
	}
	e := store.AuditEntry{Action: action, GatewayID: row.GatewayID, Target: row.ID}
	if before == nil {
		e.Actor = row.CreatedBy
	}
	e.Before, e.After = gateway.Changes(shown(before), shown(after))
	if before != nil && after != nil && before.Secrets[0].Sum != after.Secrets[0].Sum {
		e.Detail = "the token has a new secret"
	}
	return store.WithEntry(ctx, e)
}

// telling is told for revoking. What the token was is left out if it cannot be
// read: that must not keep anybody from revoking it.
func (s *Service) telling(ctx context.Context, gatewayID, id string) context.Context {
	row, err := s.row(ctx, gatewayID, id)
	if err != nil {
		return store.WithEntry(ctx, store.AuditEntry{Action: "token.revoke", GatewayID: gatewayID, Target: id})
	}
	return told(ctx, "token.revoke", row, nil)
}

// shown is what the audit shows of a token.
func shown(row *store.TokenRow) any {
	if row == nil {
		return nil
	}
	kept := *row
	kept.Secrets = nil
	all := fieldsOf{TokenRow: kept}
	if len(row.Secrets) > 1 {
		all.PreviousUntil = row.Secrets[1].Until.Format("2006-01-02T15:04:05Z07:00")
	}
	return all
}

type fieldsOf struct {
	store.TokenRow
	// Being empty they hide those of the row: ids are the entry's own, times say
	// nothing new.
	ID            string `json:"id,omitempty"`
	GatewayID     string `json:"gatewayId,omitempty"`
	CreatedAt     string `json:"createdAt,omitempty"`
	UpdatedAt     string `json:"updatedAt,omitempty"`
	Secrets       string `json:"secrets,omitempty"`
	PreviousUntil string `json:"previousUntil,omitempty"`
}
