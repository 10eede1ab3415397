package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Keys of access keys, after the prefix:
//
//	access-keys             hash: the row as JSON by the id of the access key
//	access-keys-used        hash: when (ms) and from where each was last used
//	nonce:<id>:<sha-256>    a nonce that was used with the access key, until requests
//	                        that carry it are too old
//	token-text:<token id>:<caller>  the sealed text of a new token, until the caller
//	                        who made the token has read it

// AccessKeyRow is an access key as stored. Package accesskeys has the rules.
type AccessKeyRow struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	User       string    `json:"user,omitempty"`
	Role       string    `json:"role"`
	Workspaces []string  `json:"workspaces"`
	CreatedBy  string    `json:"createdBy"`
	CreatedAt  time.Time `json:"createdAt"`
	UpdatedAt  time.Time `json:"updatedAt"`
	Disabled   bool      `json:"disabled,omitempty"`
	// Sealed is the secret, encrypted with a key that is not in Redis.
	Sealed string `json:"sealed"`

	// LastUsedAt and LastAddress describe the last use.
	LastUsedAt  time.Time `json:"-"`
	LastAddress string    `json:"-"`

	// stored is the document that the row was read from or last saved as.
	stored string
}

// MaxAccessKeys bounds the number of access keys.
const MaxAccessKeys = 1000

// KEYS: access keys, audit. ARGV: id, document that is expected or "", document, audit
// entry or "", maximum number
var putAccessKey = newScript(`
local now = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if now == ARGV[3] then return 'ok' end -- again, after the first reply was lost
if now ~= ARGV[2] then return 'stale' end
if now == '' and #redis.call('HKEYS', KEYS[1]) >= tonumber(ARGV[5]) then return 'many' end
if ARGV[4] ~= '' then redis.call('XADD', KEYS[2], '*', 'e', ARGV[4]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 'ok'
`)

// SaveAccessKey creates an access key, or changes one that was read. Without an entry in w it
// leaves no trace in the audit log. It fails with ErrChanged if the row was changed since it
// was read.
func (s *Store) SaveAccessKey(ctx context.Context, row *AccessKeyRow, w Write) error {
	const doing = "saving an access key"
	doc, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	entry := ""
	if w.Audit != nil {
		if entry, err = w.entry(AuditEntry{}); err != nil {
			return err
		}
	}
	status, err := s.runConfirmed(ctx, doing, putAccessKey, []string{s.key("access-keys"), s.auditKey()},
		row.ID, row.stored, doc, entry, MaxAccessKeys)
	switch {
	case err != nil:
		return err
	case status == "many":
		return gateway.Errorf(gateway.KindConflict, "there are %d access keys, which is the maximum: delete one first", MaxAccessKeys)
	case status != "ok":
		return ErrChanged
	}
	row.stored = string(doc)
	return nil
}

// KEYS: access keys, their use, audit. ARGV: id, audit entry
var deleteAccessKey = newScript(`
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[3], '*', 'e', ARGV[2])
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
`)

// DeleteAccessKey removes an access key; it fails with KindNotFound if there is none.
func (s *Store) DeleteAccessKey(ctx context.Context, id string, w Write) error {
	const doing = "deleting an access key"
	entry, err := w.entry(AuditEntry{Action: "access-key.delete", Target: id})
	if err != nil {
		return err
	}
	n, err := s.runConfirmed(ctx, doing, deleteAccessKey,
		[]string{s.key("access-keys"), s.key("access-keys-used"), s.auditKey()}, id, entry)
	if err == nil && n == int64(0) {
		return noAccessKey(id)
	}
	return err
}

func noAccessKey(id string) error {
	return gateway.Errorf(gateway.KindNotFound, "no access key %q", id)
}

// AccessKey reads an access key; it fails with KindNotFound if there is none.
func (s *Store) AccessKey(ctx context.Context, id string) (*AccessKeyRow, error) {
	const doing = "reading an access key"
	pipe := s.rdb.Pipeline()
	doc := pipe.HGet(ctx, s.key("access-keys"), id)
	used := pipe.HGet(ctx, s.key("access-keys-used"), id)
	marked := pipe.Exists(ctx, s.key("schema"))
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, wrap(doing, err)
	}
	switch {
	case doc.Err() == nil:
		return parseAccessKey(doc.Val(), used.Val())
	case !errors.Is(doc.Err(), redis.Nil):
		return nil, wrap(doing, doc.Err())
	case marked.Val() == 0:
		return nil, wrap(doing, ErrEmptied)
	}
	return nil, noAccessKey(id)
}

// AccessKeys reads all access keys, in no order.
func (s *Store) AccessKeys(ctx context.Context) ([]*AccessKeyRow, error) {
	const doing = "listing access keys"
	docs, err := s.rdb.HGetAll(ctx, s.key("access-keys")).Result()
	if err != nil {
		return nil, wrap(doing, err)
	}
	if len(docs) == 0 {
		return nil, s.checkMark(ctx, doing)
	}
	used, err := s.rdb.HGetAll(ctx, s.key("access-keys-used")).Result()
	if err != nil {
		return nil, wrap(doing, err)
	}
	rows := make([]*AccessKeyRow, 0, len(docs))
	for id, doc := range docs {
		row, err := parseAccessKey(doc, used[id])
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func parseAccessKey(doc, used string) (*AccessKeyRow, error) {
	row := &AccessKeyRow{stored: doc}
	if err := json.Unmarshal([]byte(doc), row); err != nil {
		return nil, gateway.Wrap(gateway.KindInternal, "reading a stored access key", err)
	}
	at, address, _ := strings.Cut(used, " ")
	if ms, err := strconv.ParseInt(at, 10, 64); err == nil {
		row.LastUsedAt, row.LastAddress = time.UnixMilli(ms).UTC(), address
	}
	return row, nil
}

// KEYS: nonce, use of access keys. ARGV: life of the nonce (ms), id, time (ms) and address
var useAccessKey = newScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return 1
`)

// UseAccessKey records the use of an access key with a nonce. It reports whether the nonce is
// new: none is for as long as it lives, on any instance. nonce is a digest.
func (s *Store) UseAccessKey(ctx context.Context, id, nonce string, life time.Duration, now time.Time, address string) (bool, error) {
	n, err := s.runConfirmed(ctx, "recording the use of an access key", useAccessKey,
		[]string{s.key("nonce", id, nonce), s.key("access-keys-used")},
		life.Milliseconds(), id, strconv.FormatInt(now.UnixMilli(), 10)+" "+address)
	return n == int64(1), err
}

// KEYS: the text. ARGV: sealed text, life (ms)
var keepTokenText = newScript(`redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])`)

// KeepTokenText keeps the sealed text of a new token for the caller who made it.
func (s *Store) KeepTokenText(ctx context.Context, tokenID, caller, sealed string, life time.Duration) error {
	_, err := s.run(ctx, "keeping the text of a token", keepTokenText,
		[]string{s.key("token-text", tokenID, caller)}, sealed, life.Milliseconds())
	return err
}

// KEYS: the text.
var takeTokenText = newScript(`
local text = redis.call('GET', KEYS[1])
if text then redis.call('DEL', KEYS[1]) end
return text or ''
`)

// TakeTokenText returns the text that KeepTokenText keeps, once, and then "".
func (s *Store) TakeTokenText(ctx context.Context, tokenID, caller string) (string, error) {
	v, err := s.run(ctx, "reading the text of a token", takeTokenText, []string{s.key("token-text", tokenID, caller)})
	text, _ := v.(string)
	return text, err
}
