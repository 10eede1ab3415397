// Package accesskeys manages the access keys with which clients of the managed product sign
// their requests: an id, and a secret that is shown once. Signatures can be checked only with
// the secret itself, so it is stored sealed, with a key that is not in Redis.
package accesskeys

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// idPrefix begins the ids of access keys.
const idPrefix = "lcak-"

// Rows stores access keys. It is implemented by *store.Store, which documents the methods.
type Rows interface {
	SaveAccessKey(ctx context.Context, row *store.AccessKeyRow, w store.Write) error
	DeleteAccessKey(ctx context.Context, id string, w store.Write) error
	AccessKey(ctx context.Context, id string) (*store.AccessKeyRow, error)
	AccessKeys(ctx context.Context) ([]*store.AccessKeyRow, error)
	UseAccessKey(ctx context.Context, id, nonce string, life time.Duration, now time.Time, address string) (bool, error)
	KeepTokenText(ctx context.Context, tokenID, caller, sealed string, life time.Duration) error
	TakeTokenText(ctx context.Context, tokenID, caller string) (string, error)
}

var _ Rows = (*store.Store)(nil)

// Service manages access keys. It is safe for concurrent use.
type Service struct {
	rows   Rows
	now    func() time.Time
	log    *zap.Logger
	sealer atomic.Pointer[Sealer]
	reseal chan struct{} // signals a new sealer
}

// New returns a service without a sealer; see Configure.
func New(rows Rows, now func() time.Time, log *zap.Logger) *Service {
	return &Service{rows: rows, now: now, log: log, reseal: make(chan struct{}, 1)}
}

// Configure puts the sealer of a configuration into force, nil for none, and returns the
// previous one.
func (s *Service) Configure(sealer *Sealer) (before *Sealer) {
	before = s.sealer.Swap(sealer)
	select {
	case s.reseal <- struct{}{}:
	default:
	}
	return before
}

// CreateRequest describes an access key to create.
type CreateRequest struct {
	// Name says what the key is for: 1 to 64 printable characters.
	Name string `json:"name"`
	// Role is the role of requests that are signed with the key: viewer, member, operator or
	// admin.
	Role access.Role `json:"role"`
	// Workspaces are those in which it has the role; "*" means all of them.
	Workspaces []string `json:"workspaces"`
	// User is the user that the key belongs to. Tokens that a key with the role member makes
	// are this user's. Default: the key's id.
	User string `json:"user,omitempty"`
	// By identifies the caller.
	By gateway.Origin `json:"-"`
}

func (r *CreateRequest) check() error {
	if err := tokens.CheckName(r.Name); err != nil {
		return err
	}
	if !slices.Contains(access.Roles, r.Role) {
		return gateway.Invalid("role", "", "must be viewer, member, operator or admin")
	}
	if len(r.Workspaces) == 0 {
		return gateway.Invalid("workspaces", "", "must name at least one workspace, or * for all")
	}
	for i, w := range r.Workspaces {
		if slices.Contains(r.Workspaces[:i], w) {
			return gateway.Invalid("workspaces", w, "must not be listed twice")
		}
		if w == access.Everywhere && len(r.Workspaces) > 1 {
			return gateway.Invalid("workspaces", w, "stands for all workspaces and must be alone")
		}
		if w != access.Everywhere {
			if err := gateway.ValidateName("workspaces", w); err != nil {
				return err
			}
		}
	}
	if r.User != "" {
		return gateway.ValidateIdentity("user", r.User)
	}
	return nil
}

// Create creates an access key. Its secret is returned here and never again.
func (s *Service) Create(ctx context.Context, r CreateRequest) (*Key, string, error) {
	if err := r.check(); err != nil {
		return nil, "", err
	}
	id, err := gateway.NewID(idPrefix, random)
	if err != nil {
		return nil, "", err
	}
	// It looks like a token, so that whatever hides tokens or finds them hides and finds it.
	secret, err := tokens.NewSecret(id[len(idPrefix):], random)
	if err != nil {
		return nil, "", err
	}
	sealed, err := s.sealer.Load().Seal(id, secret)
	if err != nil {
		return nil, "", gateway.Errorf(gateway.KindConflict, "%s: add one to the livy option", err)
	}
	now := s.now().UTC().Truncate(time.Millisecond)
	row := &store.AccessKeyRow{
		ID: id, Name: r.Name, User: r.User, Role: r.Role.String(), Workspaces: r.Workspaces,
		CreatedBy: r.By.Actor, CreatedAt: now, UpdatedAt: now, Sealed: sealed,
	}
	if err := s.rows.SaveAccessKey(ctx, row, write("create", gateway.Order{Origin: r.By}, nil, row)); err != nil {
		return nil, "", err
	}
	s.log.Info("access key created", zap.String("access_key", id), zap.String("by", row.CreatedBy))
	key, err := s.key(row)
	return key, secret, err
}

// List returns all access keys, oldest first.
func (s *Service) List(ctx context.Context) ([]*Key, error) {
	rows, err := s.rows.AccessKeys(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b *store.AccessKeyRow) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	keys := make([]*Key, len(rows))
	for i, row := range rows {
		if keys[i], err = s.key(row); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// Get returns an access key.
func (s *Service) Get(ctx context.Context, id string) (*Key, error) {
	row, err := s.rows.AccessKey(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.key(row)
}

// Disable refuses an access key until it is enabled again: at once, on all instances.
func (s *Service) Disable(ctx context.Context, o gateway.Order, id string) (*Key, error) {
	return s.setDisabled(ctx, o, id, "disable", true)
}

// Enable undoes Disable.
func (s *Service) Enable(ctx context.Context, o gateway.Order, id string) (*Key, error) {
	return s.setDisabled(ctx, o, id, "enable", false)
}

func (s *Service) setDisabled(ctx context.Context, o gateway.Order, id, verb string, disabled bool) (*Key, error) {
	row, err := s.change(ctx, id, func(row *store.AccessKeyRow) (store.Write, bool) {
		if row.Disabled == disabled {
			return store.Write{}, false
		}
		before := *row
		row.Disabled, row.UpdatedAt = disabled, s.now().UTC().Truncate(time.Millisecond)
		return write(verb, o, &before, row), true
	})
	if err != nil {
		return nil, err
	}
	return s.key(row)
}

// change reads an access key and saves what f makes of it, unless f reports that nothing is
// to be saved.
func (s *Service) change(
	ctx context.Context, id string, f func(*store.AccessKeyRow) (store.Write, bool),
) (*store.AccessKeyRow, error) {
	for try := 1; ; try++ {
		row, err := s.rows.AccessKey(ctx, id)
		if err != nil {
			return nil, err
		}
		w, changed := f(row)
		if !changed {
			return row, nil
		}
		err = s.rows.SaveAccessKey(ctx, row, w)
		switch {
		case !errors.Is(err, store.ErrChanged):
			return row, err
		case try == 5:
			return nil, gateway.Errorf(gateway.KindConflict, "access key %s keeps being changed by others; try again", id)
		}
	}
}

// Delete removes an access key, which is refused from then on.
func (s *Service) Delete(ctx context.Context, o gateway.Order, id string) error {
	row, err := s.rows.AccessKey(ctx, id)
	if err != nil {
		return err
	}
	if err := s.rows.DeleteAccessKey(ctx, id, write("delete", o, row, nil)); err != nil {
		return err
	}
	s.log.Info("access key deleted", zap.String("access_key", id))
	return nil
}

// Secret returns an access key and its secret, for a request that is signed with it. It fails
// with KindNotFound for an unknown key.
func (s *Service) Secret(ctx context.Context, id string) (*Key, string, error) {
	if s.sealer.Load() == nil {
		return nil, "", errNoSealingKey
	}
	row, err := s.rows.AccessKey(ctx, id)
	if err != nil {
		return nil, "", err
	}
	key, err := s.key(row)
	if err != nil {
		return nil, "", err
	}
	secret, err := s.sealer.Load().Open(id, row.Sealed)
	return key, secret, err
}

// Use records a request that was signed with an access key. It reports whether its nonce is
// new: every nonce is new only once within life, on all instances together.
func (s *Service) Use(ctx context.Context, id, nonce string, life time.Duration, address string) (bool, error) {
	sum := sha256.Sum256([]byte(nonce))
	return s.rows.UseAccessKey(ctx, id, hex.EncodeToString(sum[:]), life, s.now(), address)
}

// TokenTextLife is how long the text of a new token can be read.
const TokenTextLife = 10 * time.Minute

// CanSeal reports whether the configuration has a sealing key.
func (s *Service) CanSeal() bool { return s.sealer.Load() != nil }

// KeepTokenText keeps the text of a new token for TokenTextLife, for the caller who made it.
func (s *Service) KeepTokenText(ctx context.Context, tokenID, caller, text string) error {
	sealed, err := s.sealer.Load().Seal(textPurpose(tokenID, caller), text)
	if err != nil {
		return err
	}
	return s.rows.KeepTokenText(ctx, tokenID, caller, sealed, TokenTextLife)
}

// TakeTokenText returns what KeepTokenText keeps, once, and "" if there is nothing any more.
func (s *Service) TakeTokenText(ctx context.Context, tokenID, caller string) (string, error) {
	if !s.CanSeal() {
		return "", nil
	}
	sealed, err := s.rows.TakeTokenText(ctx, tokenID, caller)
	if err != nil || sealed == "" {
		return "", err
	}
	return s.sealer.Load().Open(textPurpose(tokenID, caller), sealed)
}

func textPurpose(tokenID, caller string) string { return "token-text " + tokenID + " " + caller }

// resealRetry is the pause between two attempts to seal secrets anew.
const resealRetry = 10 * time.Second

// Run seals secrets anew that older keys have sealed, whenever there is a new sealer, until ctx
// ends.
func (s *Service) Run(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
		case <-s.reseal:
		}
		again = nil
		n, err := s.Reseal(ctx)
		if n > 0 {
			s.log.Info("access keys have been sealed with the new key", zap.Int("number", n))
		}
		if err != nil && ctx.Err() == nil {
			again = time.After(resealRetry)
			if gateway.KindOf(err) != gateway.KindUnavailable {
				s.log.Error("cannot seal access keys anew", zap.Error(err))
			}
		}
	}
}

// Reseal seals with the first sealing key what older ones have sealed, and returns how many
// secrets these were. What no key opens is left alone.
func (s *Service) Reseal(ctx context.Context) (n int, err error) {
	sealer := s.sealer.Load()
	if sealer == nil {
		return 0, nil
	}
	rows, err := s.rows.AccessKeys(ctx)
	if err != nil {
		return 0, err
	}
	for _, old := range rows {
		if sealer.current(old.Sealed) {
			continue
		}
		var failed error
		saved := false
		_, err := s.change(ctx, old.ID, func(row *store.AccessKeyRow) (store.Write, bool) {
			saved, failed = false, nil
			secret, err := sealer.Open(row.ID, row.Sealed)
			if err != nil || sealer.current(row.Sealed) {
				return store.Write{}, false
			}
			if row.Sealed, failed = sealer.Seal(row.ID, secret); failed != nil {
				return store.Write{}, false
			}
			saved = true
			return store.Write{}, true
		})
		if err != nil && gateway.KindOf(err) == gateway.KindNotFound {
			continue
		}
		if err = cmp.Or(err, failed); err != nil {
			return n, err
		}
		if saved {
			n++
		}
	}
	return n, nil
}
