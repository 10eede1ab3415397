package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Keys of tokens, after the prefix:
//
//	token:<token id>        hash: doc (the row as JSON), gateway, rev, index (the
//	                        sums that have a secret: key, comma separated),
//	                        revoked (ms), and what use left behind: uses,
//	                        used_at (ms), used_address, used_agent, previous_used_at (ms),
//	                        and owner, if it has one
//	tokens:<gateway id>     sorted set of token ids by time of creation (ms)
//	tokens-revoked:<gateway id>  sorted set of the ids of tombstones by time of
//	                        revocation (ms), for as long as these are there
//	secret:<sha-256, hex>   the token id; only for secrets that the caller chose,
//	                        since ours carry the id in their text
//	owner-tokens:<owner>    sorted set of the token ids of a user, by time of creation
//	                        (ms), less 1e14 and so negative once they are revoked
//
// The owner is a field of its own and no part of doc: a version that knows no owners
// writes doc anew when it changes a token, without what it does not know, and leaves
// other fields alone. So owners need no new schema, and a token without the field is
// nobody's. Such a version also revokes without a word to owner-tokens, which therefore
// is never believed alone.
//
// A revoked token stays as a tombstone for TombstoneLife, so that requests with it are told
// that it is revoked, and its secret cannot be supplied again.

// TombstoneLife is how long the tombstone of a revoked token is kept.
const TombstoneLife = 30 * 24 * time.Hour

// Scope is a permission of a token. Package tokens defines the values.
type Scope string

// TokenFields are the fields of a token that are both stored and shown.
type TokenFields struct {
	// ID is the token's public id, "lctk-" and 16 characters of a-z0-9. It identifies the
	// token in records, logs and the API; it is not a secret and gives no access.
	ID        string    `json:"id"`
	GatewayID string    `json:"gatewayId"`
	Name      string    `json:"name"`
	CreatedBy string    `json:"createdBy"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	ExpiresAt time.Time `json:"expiresAt"`
	Disabled  bool      `json:"disabled"`

	// Owner is the user whose token it is: who made it for themselves, or for whom it
	// was made. Empty means nobody's.
	Owner string `json:"owner,omitempty"`

	// Scopes limit what the token may do; none means all of the gateway's
	// sessions and batches.
	Scopes []Scope `json:"scopes,omitempty"`
	// CIDRs are the client addresses that may use the token; none means all.
	CIDRs []netip.Prefix `json:"cidrs,omitempty"`
	// Identity is the user that jobs of this token run as, and Queue the queue they run
	// in. Empty means the gateway's.
	Identity string `json:"identity,omitempty"`
	Queue    string `json:"queue,omitempty"`
	// MaxSessions and MaxBatches bound the live sessions and batches of the token; 0 means
	// no limit.
	MaxSessions int `json:"maxSessions,omitempty"`
	MaxBatches  int `json:"maxBatches,omitempty"`
	// RequestsPerSecond bounds the request rate on each instance, with bursts of as many
	// requests (at least one); 0 means no limit.
	RequestsPerSecond float64 `json:"requestsPerSecond,omitempty"`
}

// TokenRow is a token as stored.
type TokenRow struct {
	TokenFields

	// Secrets are the current secret and, after a reset, the one before it.
	Secrets []TokenSecret `json:"secrets"`

	// Revision counts the changes. UpdateToken fails if the stored revision differs.
	Revision int64 `json:"-"`
	// RevokedAt is set on tombstones.
	RevokedAt time.Time  `json:"-"`
	Usage     TokenUsage `json:"-"`
}

// TokenSecret is the stored form of a secret.
type TokenSecret struct {
	// Sum is the SHA-256 of the secret's text, in lowercase hex.
	Sum string `json:"sum"`
	// Supplied reports whether the caller chose the secret.
	Supplied bool `json:"supplied,omitempty"`
	// Overlap is how long the secret stays valid after its reset; Until is when that
	// ends. Both are zero for the current secret.
	Overlap time.Duration `json:"overlap,omitempty"`
	Until   time.Time     `json:"until,omitzero"`
}

// TokenUsage describes the use of a token. Times have millisecond precision.
type TokenUsage struct {
	Uses           int64
	LastUsedAt     time.Time
	LastAddress    string
	LastAgent      string
	PreviousUsedAt time.Time // last use of the secret before the last reset
}

// TokenTouch is usage to add to a token.
type TokenTouch struct {
	ID      string
	Uses    int64
	At      time.Time
	Address string
	Agent   string
	// PreviousAt is the last use of the previous secret; zero if there was none.
	PreviousAt time.Time
}

// indexSums returns the sums that need a secret: key.
func (r *TokenRow) indexSums() []string {
	var sums []string
	for _, s := range r.Secrets {
		if s.Supplied {
			sums = append(sums, s.Sum)
		}
	}
	return sums
}

// CreateToken stores a new token. It fails with KindConflict if the id is in use (Field
// "id"), another token has or had the supplied secret (Field "token"), or the owner already
// has Write.MaxOwned tokens (Field "owner").
func (s *Store) CreateToken(ctx context.Context, row *TokenRow, w Write) error {
	row.Revision = 0
	return s.putToken(ctx, "creating a token", "token.create", row, w)
}

// UpdateToken stores a changed token. It fails with KindConflict (Field "revision") if the
// token was changed since row was read, and with KindNotFound if it is revoked. On success
// row.Revision is the new one.
func (s *Store) UpdateToken(ctx context.Context, row *TokenRow, w Write) error {
	return s.putToken(ctx, "changing a token", "token.update", row, w)
}

func (s *Store) putToken(ctx context.Context, doing, action string, row *TokenRow, w Write) error {
	stored := *row
	stored.Owner = "" // see the keys above
	doc, err := json.Marshal(&stored)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	entry, err := w.entry(AuditEntry{Action: action, GatewayID: row.GatewayID, Target: row.ID})
	if err != nil {
		return err
	}
	owned := s.key("tokens", row.GatewayID)
	if row.Owner != "" {
		owned = s.key("owner-tokens", row.Owner)
	}
	status, err := s.runConfirmed(ctx, doing, putToken,
		[]string{s.key("token", row.ID), s.key("tokens", row.GatewayID), s.auditKey(), owned},
		row.ID, strconv.FormatInt(row.Revision, 10), doc, row.GatewayID, strings.Join(row.indexSums(), ","),
		row.CreatedAt.UnixMilli(), s.channel(), message(TopicToken, row.ID), s.key("secret", ""), entry,
		message(TopicTokens, row.GatewayID), row.Owner, w.MaxOwned, s.key("token", ""))
	if err != nil {
		return err
	}
	switch status {
	case "ok":
		row.Revision++
		return nil
	case "exists":
		return &gateway.Error{Kind: gateway.KindConflict, Field: "id", Value: row.ID, Rule: "is in use"}
	case "many":
		return &gateway.Error{
			Kind: gateway.KindConflict, Field: "owner", Value: row.Owner,
			Rule: "may have " + gateway.Count(w.MaxOwned, "token") + " and has as many, expired ones included: revoke one first",
		}
	case "taken":
		return &gateway.Error{
			Kind: gateway.KindConflict, Field: "token", Value: "(not shown)",
			Rule: "must not be the current or a former secret of another token",
		}
	case "stale":
		return &gateway.Error{
			Kind: gateway.KindConflict, Field: "revision", Value: strconv.FormatInt(row.Revision, 10),
			Rule: "is out of date: the token was changed in the meantime",
		}
	default:
		return gateway.Wrap(gateway.KindNotFound, doing, errors.New("no such token"))
	}
}

// RevokeToken revokes a token permanently. Revoking it again is not an error while the
// tombstone exists. It fails with KindNotFound for an unknown token, and with KindStale if
// the token does not have the revision that the write requires.
func (s *Store) RevokeToken(ctx context.Context, gatewayID, id string, now time.Time, w Write) error {
	const doing = "revoking a token"
	entry, err := w.entry(AuditEntry{Action: "token.revoke", GatewayID: gatewayID, Target: id})
	if err != nil {
		return err
	}
	expected := ""
	if w.IfRevision != 0 {
		expected = strconv.FormatInt(w.IfRevision, 10)
	}
	status, err := s.runConfirmed(ctx, doing, revokeToken,
		[]string{s.key("token", id), s.key("tokens", gatewayID), s.auditKey(), s.key("tokens-revoked", gatewayID)},
		id, gatewayID, now.UnixMilli(), TombstoneLife.Milliseconds(), s.channel(), message(TopicToken, id), s.key("secret", ""),
		entry, expected, message(TopicTokens, gatewayID), s.key("owner-tokens", ""))
	if err != nil {
		return err
	}
	if status == "stale" {
		return gateway.Stale(id, w.IfRevision)
	}
	if status != "ok" {
		return gateway.Wrap(gateway.KindNotFound, doing, errors.New("no such token"))
	}
	return nil
}

// Token returns a token or its tombstone.
func (s *Store) Token(ctx context.Context, id string) (*TokenRow, error) {
	const doing = "reading a token"
	pipe := s.rdb.Pipeline()
	fields := pipe.HGetAll(ctx, s.key("token", id))
	schema := pipe.Exists(ctx, s.key("schema"))
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, wrap(doing, err)
	}
	if len(fields.Val()) == 0 {
		return nil, missing(doing, schema.Val() == 1)
	}
	return parseTokenRow(fields.Val())
}

// TokenBySecret returns the token that has or had the supplied secret with this SHA-256
// (lowercase hex).
func (s *Store) TokenBySecret(ctx context.Context, sum string) (*TokenRow, error) {
	const doing = "looking a token up by its secret"
	found, err := s.rdb.MGet(ctx, s.key("secret", sum), s.key("schema")).Result()
	if err != nil {
		return nil, wrap(doing, err)
	}
	id, ok := found[0].(string)
	if !ok {
		return nil, missing(doing, found[1] != nil)
	}
	return s.Token(ctx, id)
}

// missing is the error for a token that is not there. Without the mark Redis has lost
// its data, which is our fault and not the client's.
func missing(doing string, marked bool) error {
	if !marked {
		return wrap(doing, ErrEmptied)
	}
	return gateway.Wrap(gateway.KindNotFound, doing, errors.New("no such token"))
}

// Tokens returns a gateway's tokens, oldest first, without tombstones.
func (s *Store) Tokens(ctx context.Context, gatewayID string) ([]*TokenRow, error) {
	return s.listTokens(ctx, s.key("tokens", gatewayID), false)
}

// RevokedTokens lists the tombstones of a gateway's tokens, in the order of revocation.
func (s *Store) RevokedTokens(ctx context.Context, gatewayID string) ([]*TokenRow, error) {
	return s.listTokens(ctx, s.key("tokens-revoked", gatewayID), true)
}

func (s *Store) listTokens(ctx context.Context, list string, revoked bool) ([]*TokenRow, error) {
	const doing = "listing tokens"
	ids, err := s.rdb.ZRange(ctx, list, 0, -1).Result()
	if err != nil {
		return nil, wrap(doing, err)
	}
	if len(ids) == 0 {
		return nil, s.checkMark(ctx, doing)
	}
	rows, err := s.TokensByID(ctx, ids)
	return slices.DeleteFunc(rows, func(r *TokenRow) bool {
		return r == nil || r.RevokedAt.IsZero() == revoked // nil: removed since the list was read
	}), err
}

// TokensByID reads tokens and tombstones, with nil for ids that do not exist.
func (s *Store) TokensByID(ctx context.Context, ids []string) ([]*TokenRow, error) {
	const doing = "reading tokens"
	rows := make([]*TokenRow, 0, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), 500)
		pipe := s.rdb.Pipeline()
		replies := make([]*redis.MapStringStringCmd, n)
		for i, id := range ids[:n] {
			replies[i] = pipe.HGetAll(ctx, s.key("token", id))
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, wrap(doing, err)
		}
		for _, reply := range replies {
			if len(reply.Val()) == 0 {
				rows = append(rows, nil)
				continue
			}
			row, err := parseTokenRow(reply.Val())
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
		ids = ids[n:]
	}
	return rows, nil
}

// TouchTokens adds usage to tokens. Tokens that no longer exist are skipped.
func (s *Store) TouchTokens(ctx context.Context, touches []TokenTouch) error {
	if len(touches) == 0 {
		return nil
	}
	const doing = "recording the use of tokens"
	if err := touchTokenScript.Load(ctx, s.rdb).Err(); err != nil {
		return wrap(doing, err)
	}
	pipe := s.rdb.Pipeline()
	for _, t := range touches {
		previous := int64(0)
		if !t.PreviousAt.IsZero() {
			previous = t.PreviousAt.UnixMilli()
		}
		touchTokenScript.EvalSha(ctx, pipe, []string{s.key("token", t.ID)}, t.Uses, t.At.UnixMilli(), t.Address,
			t.Agent, previous)
	}
	_, err := pipe.Exec(ctx)
	return wrap(doing, err)
}

func parseTokenRow(fields map[string]string) (*TokenRow, error) {
	row := new(TokenRow)
	if err := json.Unmarshal([]byte(fields["doc"]), row); err != nil {
		return nil, gateway.Wrap(gateway.KindInternal, "reading a stored token", err)
	}
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(fields[name], 10, 64) // absent is 0
		return n
	}
	moment := func(name string) time.Time {
		if ms := number(name); ms != 0 {
			return time.UnixMilli(ms).UTC()
		}
		return time.Time{}
	}
	row.Owner = fields["owner"]
	row.Revision = number("rev")
	row.RevokedAt = moment("revoked")
	row.Usage = TokenUsage{
		Uses:           number("uses"),
		LastUsedAt:     moment("used_at"),
		LastAddress:    fields["used_address"],
		LastAgent:      fields["used_agent"],
		PreviousUsedAt: moment("previous_used_at"),
	}
	return row, nil
}
