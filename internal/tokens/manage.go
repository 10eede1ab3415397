package tokens

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// CreateRequest says what token to make. GatewayID and Name are needed.
type CreateRequest struct {
	GatewayID string
	Name      string
	CreatedBy string
	// ExpireDays or ExpiresAt say how long it works: at least 1 day, at most
	// Options.MaxLifetime. Default 365 days, or the maximum if that is less.
	ExpireDays int
	ExpiresAt  time.Time
	// Secret is one that the caller chose, of 16 to 256 printable characters.
	// Default: one of ours is made, which is what to prefer.
	Secret   string
	Scopes   []Scope
	CIDRs    []string // ranges or single addresses
	Identity string
	Queue    string
	Limits
}

// Create makes a token. The secret is returned here and never again.
func (s *Service) Create(ctx context.Context, r CreateRequest) (*Token, string, error) {
	now := s.now()
	row := &store.TokenRow{GatewayID: r.GatewayID, CreatedBy: r.CreatedBy, CreatedAt: now, UpdatedAt: now}
	expires, err := s.expiry(r.ExpireDays, r.ExpiresAt, now)
	if err != nil {
		return nil, "", err
	}
	row.ExpiresAt = expires
	settings := Change{
		Name: &r.Name, Scopes: &r.Scopes, CIDRs: &r.CIDRs, Identity: &r.Identity, Queue: &r.Queue,
		MaxSessions: &r.MaxSessions, MaxBatches: &r.MaxBatches, RequestsPerSecond: &r.RequestsPerSecond,
	}
	if err := settings.apply(row); err != nil {
		return nil, "", err
	}
	for try := 1; ; try++ {
		if row.ID, err = gateway.NewID(idPrefix, s.o.Rand); err != nil {
			return nil, "", gateway.Wrap(gateway.KindInternal, "making a token id", err)
		}
		secret, stored, err := s.secretFor(row.ID, r.Secret)
		if err != nil {
			return nil, "", err
		}
		row.Secrets = []store.TokenSecret{stored}
		err = s.rows.CreateToken(told(ctx, "token.create", nil, row), row)
		if conflictOn(err, "id") && try < 3 {
			continue // 82 random bits met their like
		}
		if err != nil {
			return nil, "", err
		}
		s.cache.drop(row.ID) // a supplied secret may be known as unknown
		s.log.Info("token created", zap.String("gateway", row.GatewayID), zap.String("token", row.ID), zap.String("by", row.CreatedBy))
		t, err := fromRow(row)
		return t, secret, err
	}
}

// List returns a gateway's tokens, oldest first, without revoked ones.
func (s *Service) List(ctx context.Context, gatewayID string) ([]*Token, error) {
	rows, err := s.rows.Tokens(ctx, gatewayID)
	if err != nil {
		return nil, err
	}
	list := make([]*Token, 0, len(rows))
	for _, row := range rows {
		t, err := fromRow(row)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// Get returns one token of a gateway.
func (s *Service) Get(ctx context.Context, gatewayID, id string) (*Token, error) {
	row, err := s.row(ctx, gatewayID, id)
	if err != nil {
		return nil, err
	}
	return fromRow(row)
}

// Change says what to change of a token; nil leaves a thing as it is.
type Change struct {
	Name *string
	// ExpireDays counts from now, ExpiresAt is a time; rules as at creation.
	ExpireDays *int
	ExpiresAt  *time.Time
	Scopes     *[]Scope
	CIDRs      *[]string
	Identity   *string
	Queue      *string
	// MaxSessions, MaxBatches and RequestsPerSecond are as in Limits.
	MaxSessions, MaxBatches *int
	RequestsPerSecond       *float64
}

// apply checks a change and makes it, but for the expiry.
func (c *Change) apply(row *store.TokenRow) error {
	if c.Name != nil {
		if err := checkName(*c.Name); err != nil {
			return err
		}
		row.Name = *c.Name
	}
	if c.Scopes != nil {
		if err := checkScopes(*c.Scopes); err != nil {
			return err
		}
		row.Scopes = nil
		for _, scope := range *c.Scopes {
			row.Scopes = append(row.Scopes, string(scope))
		}
	}
	if c.CIDRs != nil {
		ranges, err := readCIDRs(*c.CIDRs)
		if err != nil {
			return err
		}
		row.CIDRs = ranges
	}
	if c.Identity != nil {
		if *c.Identity != "" {
			if err := gateway.ValidateIdentity("identity", *c.Identity); err != nil {
				return err
			}
		}
		row.Identity = *c.Identity
	}
	if c.Queue != nil {
		if *c.Queue != "" {
			if err := gateway.ValidateQueue("queue", *c.Queue); err != nil {
				return err
			}
		}
		row.Queue = *c.Queue
	}
	set(&row.MaxSessions, c.MaxSessions)
	set(&row.MaxBatches, c.MaxBatches)
	set(&row.RequestsPerSecond, c.RequestsPerSecond)
	return checkLimits(row)
}

func set[T any](target *T, v *T) {
	if v != nil {
		*target = *v
	}
}

// Update changes a token's name, expiry or rules. Its secret stays.
func (s *Service) Update(ctx context.Context, gatewayID, id string, c Change) (*Token, error) {
	return s.change(ctx, gatewayID, id, "token.update", func(row *store.TokenRow, now time.Time) error {
		if err := s.changeExpiry(row, c.ExpireDays, c.ExpiresAt, now); err != nil {
			return err
		}
		return c.apply(row)
	})
}

func (s *Service) changeExpiry(row *store.TokenRow, days *int, at *time.Time, now time.Time) error {
	if days == nil && at == nil {
		return nil
	}
	var d int
	var t time.Time
	if days != nil {
		if d = *days; d == 0 {
			return gateway.Invalid("expireDays", strconv.Itoa(d), "must be at least 1 day")
		}
	}
	if at != nil {
		if t = *at; t.IsZero() {
			return gateway.Invalid("expiresAt", t.Format(time.RFC3339), "must be at least 1 day ahead")
		}
	}
	expires, err := s.expiry(d, t, now)
	if err == nil {
		row.ExpiresAt = expires
	}
	return err
}

// Rename changes a token's name.
func (s *Service) Rename(ctx context.Context, gatewayID, id, name string) (*Token, error) {
	return s.Update(ctx, gatewayID, id, Change{Name: &name})
}

// ResetRequest says how a token gets a new secret.
type ResetRequest struct {
	// Overlap is how long the old secret works beside the new one: 0 to 7 days.
	// Default 0: it ends at once. One from an earlier reset ends in any case.
	Overlap time.Duration
	// Secret is one that the caller chose; default: one of ours is made.
	Secret string
	// ExpireDays or ExpiresAt, when set, change the expiry too.
	ExpireDays *int
	ExpiresAt  *time.Time
}

// Reset gives a token a new secret under the same id. The secret is returned
// here and never again.
func (s *Service) Reset(ctx context.Context, gatewayID, id string, r ResetRequest) (*Token, string, error) {
	if r.Overlap < 0 || r.Overlap > MaxOverlap {
		return nil, "", gateway.Invalid("overlap", r.Overlap.String(), "must be from 0 to 7 days")
	}
	secret, fresh, err := s.secretFor(id, r.Secret)
	if err != nil {
		return nil, "", err
	}
	t, err := s.change(ctx, gatewayID, id, "token.reset", func(row *store.TokenRow, now time.Time) error {
		if err := s.changeExpiry(row, r.ExpireDays, r.ExpiresAt, now); err != nil {
			return err
		}
		old := row.Secrets[0]
		if old.Sum == fresh.Sum {
			return gateway.Invalid("token", "(not shown)", "must not be the present secret")
		}
		old.Overlap, old.Until = r.Overlap, now.Add(r.Overlap)
		row.Secrets = []store.TokenSecret{fresh, old}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return t, secret, nil
}

// Disable makes a token be refused until it is enabled again.
func (s *Service) Disable(ctx context.Context, gatewayID, id string) (*Token, error) {
	return s.change(ctx, gatewayID, id, "token.disable", func(row *store.TokenRow, _ time.Time) error {
		row.Disabled = true
		return nil
	})
}

// Enable undoes Disable.
func (s *Service) Enable(ctx context.Context, gatewayID, id string) (*Token, error) {
	return s.change(ctx, gatewayID, id, "token.enable", func(row *store.TokenRow, _ time.Time) error {
		row.Disabled = false
		return nil
	})
}

// Revoke ends a token for good. Once it returns nil, no request that starts
// more than a second later succeeds with the token, through any instance that
// reaches Redis. On an error the token may be revoked or not; revoking it again
// is harmless.
func (s *Service) Revoke(ctx context.Context, gatewayID, id string) error {
	// Whatever comes of it, this instance asks Redis before the next use.
	defer s.cache.drop(id)
	if err := s.rows.RevokeToken(s.telling(ctx, gatewayID, id), gatewayID, id, s.now()); err != nil {
		return err
	}
	s.log.Info("token revoked", zap.String("gateway", gatewayID), zap.String("token", id))
	return nil
}

// RevokeAll revokes every token of a gateway, as when the gateway is deleted.
func (s *Service) RevokeAll(ctx context.Context, gatewayID string) error {
	rows, err := s.rows.Tokens(ctx, gatewayID)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := s.Revoke(ctx, gatewayID, row.ID); err != nil && gateway.KindOf(err) != gateway.KindNotFound {
			return err
		}
	}
	return nil
}

// now is the time to store: whole milliseconds of UTC, which is what Redis and
// the API show.
func (s *Service) now() time.Time { return s.o.Clock().UTC().Truncate(time.Millisecond) }

func (s *Service) row(ctx context.Context, gatewayID, id string) (*store.TokenRow, error) {
	row, err := s.rows.Token(ctx, id)
	if err != nil {
		return nil, err
	}
	if row.GatewayID != gatewayID || !row.RevokedAt.IsZero() {
		return nil, gateway.Errorf(gateway.KindNotFound, "no such token")
	}
	return row, nil
}

// same reports whether two rows of a token say the same, whenever they were written.
func same(a, b *store.TokenRow) bool {
	x, y := *a, *b
	x.UpdatedAt = y.UpdatedAt
	// As JSON, no scopes are no scopes, and a time is the same in every zone.
	textX, errX := json.Marshal(x)
	textY, errY := json.Marshal(y)
	return errX == nil && errY == nil && bytes.Equal(textX, textY)
}

// change reads a token, changes it and stores it with its entry in the audit, again if someone else did
// the same meanwhile.
func (s *Service) change(ctx context.Context, gatewayID, id, action string, fn func(*store.TokenRow, time.Time) error) (*Token, error) {
	defer s.cache.drop(id)
	for try := 1; ; try++ {
		row, err := s.row(ctx, gatewayID, id)
		if err != nil {
			return nil, err
		}
		if err := gateway.CheckRevision(ctx, id, row.Revision); err != nil {
			return nil, err
		}
		before := *row
		row.UpdatedAt = s.now()
		row.Secrets = slices.Clone(row.Secrets)
		if err := fn(row, row.UpdatedAt); err != nil {
			return nil, err
		}
		if same(&before, row) {
			return fromRow(&before)
		}
		err = s.rows.UpdateToken(told(ctx, action, &before, row), row)
		if conflictOn(err, "revision") && try < 5 {
			continue
		}
		if err != nil {
			return nil, err
		}
		s.log.Info("token changed", zap.String("action", action), zap.String("gateway", gatewayID), zap.String("token", id))
		return fromRow(row)
	}
}

// conflictOn reports whether err is a conflict about the given field.
func conflictOn(err error, field string) bool {
	var e *gateway.Error
	for errors.As(err, &e) {
		if e.Kind == gateway.KindConflict && e.Field == field {
			return true
		}
		err = e.Err
	}
	return false
}
