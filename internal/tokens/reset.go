package tokens

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// ResetRequest describes a reset of a token's secret.
type ResetRequest struct {
	// OverlapHours is how long the old secret stays valid next to the new one: 0 to 168.
	// Default 0. The old secret of an earlier reset becomes invalid in any case.
	OverlapHours float64 `json:"overlapHours,omitempty"`
	// Secret is as in CreateRequest.
	Secret string `json:"token,omitempty"`
	// ExpireDays or ExpiresAt, if set, change the expiry too.
	ExpireDays *int       `json:"expireDays,omitempty"`
	ExpiresAt  *time.Time `json:"expiresAt,omitempty"`
	// Name, if set, changes the name too.
	Name *string `json:"name,omitempty"`
}

// Reset gives a token a new secret, which it returns. The id stays the same.
func (s *Service) Reset(
	ctx context.Context, o gateway.Order, gatewayID, id string, r ResetRequest,
) (*Token, string, error) {
	return s.reset(ctx, o, gatewayID, id, r, s.o.MaxLifetime)
}

func (s *Service) reset(
	ctx context.Context, o gateway.Order, gatewayID, id string, r ResetRequest, longestLife time.Duration,
) (*Token, string, error) {
	const longest = float64(MaxOverlap / time.Hour)
	if n := r.OverlapHours; !(n >= 0 && n <= longest) { // also refuses NaN
		return nil, "", gateway.Invalid("overlapHours", strconv.FormatFloat(n, 'g', -1, 64), fmt.Sprintf("must be from 0 to %g hours", longest))
	}
	overlap := time.Duration(r.OverlapHours * float64(time.Hour))
	secret, fresh, err := s.secretFor(id, r.Secret)
	if err != nil {
		return nil, "", err
	}
	t, err := s.change(ctx, o, gatewayID, id, "token.reset", func(row *store.TokenRow, now time.Time) error {
		if err := changeExpiry(row, r.ExpireDays, r.ExpiresAt, now, longestLife); err != nil {
			return err
		}
		if r.Name != nil {
			if err := CheckName(*r.Name); err != nil {
				return err
			}
			row.Name = *r.Name
		}
		old := row.Secrets[0]
		if old.Sum == fresh.Sum {
			return gateway.Invalid("token", "(not shown)", "must not be the current secret")
		}
		old.Overlap, old.Until = overlap, now.Add(overlap)
		row.Secrets = []store.TokenSecret{fresh, old}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return t, secret, nil
}
