package tokens

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// Settings are the settings of a token. Omitted ones keep their values, or get their defaults
// when the token is created.
type Settings struct {
	Name *string `json:"name,omitempty"`
	// ExpireDays is the token's lifetime in days from now, at least 1, default 365 or the
	// operator's maximum if that is less. ExpiresAt gives the time instead. Only one of
	// them can be set.
	ExpireDays *int       `json:"expireDays,omitempty"`
	ExpiresAt  *time.Time `json:"expiresAt,omitempty"`
	// Scopes limit what the token may do: sessions, batches, read, admin.
	Scopes *[]Scope `json:"scopes,omitempty"`
	// CIDRs are the address ranges, or single addresses, that may use it.
	CIDRs *[]string `json:"cidrs,omitempty"`
	// Identity and Queue are forced into its jobs instead of the gateway's.
	Identity *string `json:"identity,omitempty"`
	Queue    *string `json:"queue,omitempty"`
	// MaxSessions and MaxBatches bound its live sessions and batches, RequestsPerSecond its
	// request rate on each instance; 0 means no limit.
	MaxSessions       *int     `json:"maxSessions,omitempty"`
	MaxBatches        *int     `json:"maxBatches,omitempty"`
	RequestsPerSecond *float64 `json:"requestsPerSecond,omitempty"`
}

// CreateRequest describes the token to create. The name is required.
type CreateRequest struct {
	// GatewayID is the gateway that the token is for.
	GatewayID string `json:"-"`
	// By identifies the caller.
	By gateway.Origin `json:"-"`
	Settings
	// Owner is the user whose token it is to be, who may then see, reset, disable and
	// revoke it. "me" stands for who asks. Default: nobody's, except for a token that
	// users make for themselves.
	Owner string `json:"owner,omitempty"`
	// Secret is a text to use as the token, of 16 to 256 printable characters, for
	// clients that have one already. Default: a new one is made, which is better.
	Secret string `json:"token,omitempty"`
}

// Create creates a token. It is the only method besides Reset that returns the secret.
func (s *Service) Create(ctx context.Context, r CreateRequest) (*Token, string, error) {
	if r.Owner != "" && !validOwner(r.Owner) {
		return nil, "", gateway.Invalid("owner", r.Owner, "must be a user's name of at most 256 printable characters, not beginning or ending with a space")
	}
	return s.create(ctx, r, s.o.MaxLifetime, 0)
}

// create makes a token that lives no longer than longest, if that is not 0, and is one
// of at most that many (most) tokens of its owner, if that is not 0.
func (s *Service) create(ctx context.Context, r CreateRequest, longest time.Duration, most int) (*Token, string, error) {
	now := s.now()
	row := &store.TokenRow{TokenFields: store.TokenFields{
		GatewayID: r.GatewayID, Owner: r.Owner, CreatedBy: r.By.Actor, CreatedAt: now, UpdatedAt: now,
	}}
	if r.Name == nil {
		r.Name = new(string) // rejected below
	}
	var err error
	if r.ExpireDays == nil && r.ExpiresAt == nil {
		row.ExpiresAt, err = expiry(0, time.Time{}, now, longest)
	} else {
		err = changeExpiry(row, r.ExpireDays, r.ExpiresAt, now, longest)
	}
	if err != nil {
		return nil, "", err
	}
	if err := r.apply(row); err != nil {
		return nil, "", err
	}
	for try := 1; ; try++ {
		if row.ID, err = gateway.NewID(idPrefix, s.o.Rand); err != nil {
			return nil, "", gateway.Wrap(gateway.KindInternal, "generating a token id", err)
		}
		secret, stored, err := s.secretFor(row.ID, r.Secret)
		if err != nil {
			return nil, "", err
		}
		row.Secrets = []store.TokenSecret{stored}
		err = s.rows.CreateToken(ctx, row, store.Write{
			Order: gateway.Order{Origin: r.By}, Audit: auditEntry("token.create", nil, row), MaxOwned: most,
		})
		if conflictOn(err, "id") && try < 3 {
			continue // 82 random bits collided
		}
		if err != nil {
			return nil, "", err
		}
		s.cache.drop(row.ID) // a supplied secret may be cached as unknown
		s.log.Info("token created",
			zap.String("gateway", row.GatewayID), zap.String("token", row.ID), zap.String("by", row.CreatedBy))
		t, err := fromRow(row)
		return t, secret, err
	}
}

// List returns a gateway's tokens, oldest first, without revoked ones.
func (s *Service) List(ctx context.Context, gatewayID string) ([]*Token, error) {
	rows, err := s.rows.Tokens(ctx, gatewayID)
	return listed(rows, err)
}

// ListRevoked returns the tokens of a gateway that were revoked in the last
// store.TombstoneLife, in that order.
func (s *Service) ListRevoked(ctx context.Context, gatewayID string) ([]*Token, error) {
	rows, err := s.rows.RevokedTokens(ctx, gatewayID)
	return listed(rows, err)
}

func listed(rows []*store.TokenRow, err error) ([]*Token, error) {
	if err != nil {
		return nil, err
	}
	return fromRows(rows)
}

// Find returns the id of the token that ref means: an id, or a name that only one of the
// gateway's tokens has. Revoked ones are found by name with revoked only. With an owner
// only the owner's tokens are found by name.
func (s *Service) Find(ctx context.Context, gatewayID, ref, owner string, revoked bool) (string, error) {
	if strings.HasPrefix(ref, idPrefix) {
		return ref, nil
	}
	list, err := s.List(ctx, gatewayID)
	if err == nil && revoked {
		var more []*Token
		more, err = s.ListRevoked(ctx, gatewayID)
		list = append(list, more...)
	}
	if err != nil {
		return "", err
	}
	var ids []string
	for _, t := range list {
		if t.Name == ref && (owner == "" || t.Owner == owner) {
			ids = append(ids, t.ID)
		}
	}
	switch len(ids) {
	case 1:
		return ids[0], nil
	case 0:
		return "", gateway.Errorf(gateway.KindNotFound, "no token of this gateway has the id or name %q", ref)
	}
	return "", gateway.Errorf(gateway.KindConflict, "%d tokens have the name %q: give the id of one, %s", len(ids), ref, strings.Join(ids, " or "))
}

// Get returns one token of a gateway, also one that was revoked in the last
// store.TombstoneLife.
func (s *Service) Get(ctx context.Context, gatewayID, id string) (*Token, error) {
	row, err := s.anyRow(ctx, gatewayID, id)
	if err != nil {
		return nil, err
	}
	return fromRow(row)
}

// apply checks the settings and sets them in a row, except for the expiry.
func (c *Settings) apply(row *store.TokenRow) error {
	if c.Name != nil {
		if err := CheckName(*c.Name); err != nil {
			return err
		}
		row.Name = *c.Name
	}
	if c.Scopes != nil {
		if err := checkScopes(*c.Scopes); err != nil {
			return err
		}
		row.Scopes = slices.Clone(*c.Scopes)
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
func (s *Service) Update(ctx context.Context, o gateway.Order, gatewayID, id string, c Settings) (*Token, error) {
	return s.change(ctx, o, gatewayID, id, "token.update", func(row *store.TokenRow, now time.Time) error {
		if err := changeExpiry(row, c.ExpireDays, c.ExpiresAt, now, s.o.MaxLifetime); err != nil {
			return err
		}
		return c.apply(row)
	})
}

func changeExpiry(row *store.TokenRow, days *int, at *time.Time, now time.Time, longest time.Duration) error {
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
	expires, err := expiry(d, t, now, longest)
	if err == nil {
		row.ExpiresAt = expires
	}
	return err
}

// Rename changes a token's name.
func (s *Service) Rename(ctx context.Context, o gateway.Order, gatewayID, id, name string) (*Token, error) {
	return s.Update(ctx, o, gatewayID, id, Settings{Name: &name})
}

// Disable disables a token until it is enabled again.
func (s *Service) Disable(ctx context.Context, o gateway.Order, gatewayID, id string) (*Token, error) {
	return s.change(ctx, o, gatewayID, id, "token.disable", func(row *store.TokenRow, _ time.Time) error {
		row.Disabled = true
		return nil
	})
}

// Enable undoes Disable.
func (s *Service) Enable(ctx context.Context, o gateway.Order, gatewayID, id string) (*Token, error) {
	return s.change(ctx, o, gatewayID, id, "token.enable", func(row *store.TokenRow, _ time.Time) error {
		row.Disabled = false
		return nil
	})
}

// Revoke revokes a token permanently. Once it returns nil, no request that starts more than a
// second later succeeds with the token on any instance that reaches Redis. On an error the
// token may or may not be revoked; revoking it again is harmless.
func (s *Service) Revoke(ctx context.Context, o gateway.Order, gatewayID, id string) error {
	// Whatever the result, this instance asks Redis before the next use.
	defer s.cache.drop(id)
	w := store.Write{Order: o, Audit: s.revokeEntry(ctx, gatewayID, id)}
	if err := s.rows.RevokeToken(ctx, gatewayID, id, s.now(), w); err != nil {
		return err
	}
	s.log.Info("token revoked", zap.String("gateway", gatewayID), zap.String("token", id))
	return nil
}

// RevokeAll revokes every token of a gateway, as when the gateway is deleted.
func (s *Service) RevokeAll(ctx context.Context, o gateway.Order, gatewayID string) error {
	rows, err := s.rows.Tokens(ctx, gatewayID)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := s.Revoke(ctx, o, gatewayID, row.ID); err != nil && gateway.KindOf(err) != gateway.KindNotFound {
			return err
		}
	}
	return nil
}

// now returns the current time in UTC with the millisecond precision of Redis and the API.
func (s *Service) now() time.Time { return s.o.Clock().UTC().Truncate(time.Millisecond) }

// anyRow reads a token of a gateway, also a revoked one.
func (s *Service) anyRow(ctx context.Context, gatewayID, id string) (*store.TokenRow, error) {
	row, err := s.rows.Token(ctx, id)
	if err != nil {
		return nil, err
	}
	if row.GatewayID != gatewayID {
		return nil, gateway.Errorf(gateway.KindNotFound, "no such token")
	}
	return row, nil
}

// row reads a token that can still be changed.
func (s *Service) row(ctx context.Context, gatewayID, id string) (*store.TokenRow, error) {
	row, err := s.anyRow(ctx, gatewayID, id)
	if err == nil && !row.RevokedAt.IsZero() {
		return nil, gateway.Errorf(gateway.KindConflict, "the token was revoked at %s, for good: create another one", row.RevokedAt.UTC().Format(time.RFC3339))
	}
	return row, err
}

// same reports whether two rows of a token say the same, whenever they were written.
func same(a, b *store.TokenRow) bool {
	x, y := *a, *b
	x.UpdatedAt = y.UpdatedAt
	// Compare JSON, in which nil and empty lists are equal, and times do not depend on the zone.
	textX, errX := json.Marshal(x)
	textY, errY := json.Marshal(y)
	return errX == nil && errY == nil && bytes.Equal(textX, textY)
}

// change reads a token, changes it and stores it with its audit entry. It retries if the token
// was changed concurrently.
func (s *Service) change(
	ctx context.Context, o gateway.Order, gatewayID, id, action string, fn func(*store.TokenRow, time.Time) error,
) (*Token, error) {
	defer s.cache.drop(id)
	for try := 1; ; try++ {
		row, err := s.row(ctx, gatewayID, id)
		if err != nil {
			return nil, err
		}
		if err := o.Check(id, row.Revision); err != nil {
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
		err = s.rows.UpdateToken(ctx, row, store.Write{Order: o, Audit: auditEntry(action, &before, row)})
		if conflictOn(err, "revision") && try < 5 {
			continue
		}
		if err != nil {
			return nil, err
		}
		s.log.Info("token changed", zap.String("action", action),
			zap.String("gateway", gatewayID), zap.String("token", id))
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
