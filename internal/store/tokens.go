package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
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
//	                        revoked (ms); usage: uses, used_at (ms), used_address,
//	                        used_agent, previous_used_at (ms)
//	tokens:<gateway id>     sorted set of token ids by time of creation (ms)
//	secret:<sha-256, hex>   the token id; only for secrets that the caller chose,
//	                        since generated ones contain the id
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

	// Scopes limit what the token may do; none means all of the gateway's sessions and
	// batches.
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

// putTokenScript creates (expected revision 0) or changes a token.
// KEYS: token, list, audit. ARGV: id, expected revision, doc, gateway, index, created
// (ms), channel, message, prefix of secret keys, audit entry.
const putTokenScript = `
local rev = redis.call('HGET', KEYS[1], 'rev')
if ARGV[2] == '0' then
  if rev then
    -- the same creation again, after its first reply was lost
    if rev == '1' and redis.call('HGET', KEYS[1], 'doc') == ARGV[3] then return 'ok' end
    return 'exists'
  end
else
  if not rev or redis.call('HGET', KEYS[1], 'gateway') ~= ARGV[4]
    or redis.call('HEXISTS', KEYS[1], 'revoked') == 1 then return 'missing' end
  if rev ~= ARGV[2] then return 'stale' end
  -- A Redis that is full refuses a script's first write if it could need memory.
  -- With this one first, a token can be disabled or reset even then.
  redis.call('PERSIST', KEYS[1])
end
local keep = {}
for sum in string.gmatch(ARGV[5], '[^,]+') do
  local owner = redis.call('GET', ARGV[9] .. sum)
  if owner and owner ~= ARGV[1] then return 'taken' end
  keep[sum] = true
end
redis.call('XADD', KEYS[3], '*', 'e', ARGV[10])
for sum in string.gmatch(redis.call('HGET', KEYS[1], 'index') or '', '[^,]+') do
  if not keep[sum] then redis.call('DEL', ARGV[9] .. sum) end
end
for sum in pairs(keep) do redis.call('SET', ARGV[9] .. sum, ARGV[1]) end
redis.call('HSET', KEYS[1], 'doc', ARGV[3], 'gateway', ARGV[4], 'index', ARGV[5], 'rev', tonumber(ARGV[2]) + 1)
redis.call('ZADD', KEYS[2], ARGV[6], ARGV[1])
redis.call('PUBLISH', ARGV[7], ARGV[8])
return 'ok'
`

// revokeTokenScript turns a token into a tombstone, whatever its revision.
// KEYS: token, list, audit. ARGV: id, gateway, now (ms), life (ms), channel, message,
// prefix of secret keys, audit entry, expected revision (empty: any).
const revokeTokenScript = `
if redis.call('HGET', KEYS[1], 'gateway') ~= ARGV[2] then return 'missing' end
if redis.call('HEXISTS', KEYS[1], 'revoked') == 0 then
  if ARGV[9] ~= '' and redis.call('HGET', KEYS[1], 'rev') ~= ARGV[9] then return 'stale' end
  redis.call('PERSIST', KEYS[1]) -- first, for a Redis that is full: see above
  redis.call('XADD', KEYS[3], '*', 'e', ARGV[8])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  redis.call('HSET', KEYS[1], 'revoked', ARGV[3])
  redis.call('HINCRBY', KEYS[1], 'rev', 1)
  for sum in string.gmatch(redis.call('HGET', KEYS[1], 'index') or '', '[^,]+') do
    redis.call('PEXPIRE', ARGV[7] .. sum, ARGV[4])
  end
  redis.call('ZREM', KEYS[2], ARGV[1])
end
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 'ok'
`

// touchTokenScript adds usage to a token that still exists.
// KEYS: token. ARGV: uses, at (ms), address, agent, previous secret used at (ms or 0).
var touchTokenScript = redis.NewScript(`
if redis.call('HEXISTS', KEYS[1], 'rev') == 0 or redis.call('HEXISTS', KEYS[1], 'revoked') == 1 then return 0 end
redis.call('HINCRBY', KEYS[1], 'uses', ARGV[1])
if tonumber(ARGV[2]) >= tonumber(redis.call('HGET', KEYS[1], 'used_at') or '0') then
  redis.call('HSET', KEYS[1], 'used_at', ARGV[2], 'used_address', ARGV[3], 'used_agent', ARGV[4])
end
if tonumber(ARGV[5]) > tonumber(redis.call('HGET', KEYS[1], 'previous_used_at') or '0') then
  redis.call('HSET', KEYS[1], 'previous_used_at', ARGV[5])
end
return 1
`)

// CreateToken stores a new token. It fails with KindConflict if the id is in use (Field
// "id") or another token has or had the supplied secret (Field "token").
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
	doc, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	entry, err := w.entry(AuditEntry{Action: action, GatewayID: row.GatewayID, Target: row.ID})
	if err != nil {
		return err
	}
	status, err := s.runConfirmed(ctx, doing, putTokenScript,
		[]string{s.key("token", row.ID), s.key("tokens", row.GatewayID), s.auditKey()},
		row.ID, strconv.FormatInt(row.Revision, 10), doc, row.GatewayID, strings.Join(row.indexSums(), ","),
		row.CreatedAt.UnixMilli(), s.channel(), message(TopicToken, row.ID), s.key("secret", ""), entry)
	if err != nil {
		return err
	}
	switch status {
	case "ok":
		row.Revision++
		return nil
	case "exists":
		return &gateway.Error{Kind: gateway.KindConflict, Field: "id", Value: row.ID, Rule: "is in use"}
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
	status, err := s.runConfirmed(ctx, doing, revokeTokenScript,
		[]string{s.key("token", id), s.key("tokens", gatewayID), s.auditKey()},
		id, gatewayID, now.UnixMilli(), TombstoneLife.Milliseconds(), s.channel(), message(TopicToken,
			id), s.key("secret", ""),
		entry, expected)
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

// missing returns the error for an unknown token. If the schema version is missing too,
// Redis has lost its data, which is not the client's fault.
func missing(doing string, marked bool) error {
	if !marked {
		return gateway.Wrap(gateway.KindUnavailable, doing,
			errors.New("this Redis holds no data of this gateway: it was emptied, or never set up"))
	}
	return gateway.Wrap(gateway.KindNotFound, doing, errors.New("no such token"))
}

// Tokens returns a gateway's tokens, oldest first, without tombstones.
func (s *Store) Tokens(ctx context.Context, gatewayID string) ([]*TokenRow, error) {
	const doing = "listing tokens"
	ids, err := s.rdb.ZRange(ctx, s.key("tokens", gatewayID), 0, -1).Result()
	if err != nil {
		return nil, wrap(doing, err)
	}
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
				continue // removed since the list was read
			}
			row, err := parseTokenRow(reply.Val())
			if err != nil {
				return nil, err
			}
			if row.RevokedAt.IsZero() {
				rows = append(rows, row)
			}
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
