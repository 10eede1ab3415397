package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// beginCreate stores a record before its create is sent, unless the create repeats an
// earlier one, the token's limit is reached, another create of that name is in progress, or it
// would exceed further limits.
//
// KEYS: see recordKeys, and as the tenth the key of the repetition, or "records"
// again. ARGV: the record (see putRecord), limit or 0, time to live of the
// repetition's key in ms or 0, its value, channel, message, further limits
var beginCreate = newScript(putRecord + checkLimits + `
local a = {}
for j = 1, 12 do a[j] = ARGV[j] end
local id, kind, name, token = a[1], a[6], a[8], a[9]
if ARGV[14] ~= '0' then
  local first = redis.call('GET', KEYS[10])
  if first then return {'repeated', first} end
end
local limit = tonumber(ARGV[13])
if limit > 0 and redis.call('SCARD', KEYS[3] .. ':t:' .. token .. ':' .. kind) >= limit then return {'limit', ''} end
local other = redis.call('HGET', KEYS[7], kind .. ':' .. name)
if other and other ~= id and redis.call('SISMEMBER', KEYS[3], other) == 1 then return {'name', other} end
-- Livy does not know the name of a session that was started ahead.
local public = redis.call('HGET', KEYS[5], kind .. ':' .. name)
local holder = public and redis.call('HGET', KEYS[6], kind .. ':' .. public)
local doc = holder and redis.call('HGET', KEYS[1], holder)
if doc and cjson.decode(doc).livyName then return {'taken', ''} end
local over, soft = limits(ARGV[18])
if over then return over end
redis.call('PUBLISH', ARGV[16], ARGV[17])
if not put(a) then return {'changed', ''} end
redis.call('HSET', KEYS[7], kind .. ':' .. name, id)
if ARGV[14] ~= '0' then redis.call('SET', KEYS[10], ARGV[15], 'PX', ARGV[14]) end
return {'ok', table.concat(soft, ';')}
`)

// Repetition marks a create that a client may repeat, and that must start only one session
// or batch.
type Repetition struct {
	// Key identifies the create among those of one token.
	Key string
	// Value is stored for Life; its format is up to the caller.
	Value string
	Life  time.Duration
}

// RepeatedError is returned by BeginCreate for a repeated create, with the value stored for
// the first one.
type RepeatedError struct{ Value string }

// Error implements error.
func (e *RepeatedError) Error() string { return "this create was sent before" }

// BeginCreate records that a create is about to be sent. It fails with a *RepeatedError for
// a repetition, with KindLimited if the token already has limit (if not 0) live sessions or
// batches, with KindConflict if another create of this name is in progress, and with ErrNameTaken
// if a session that was started ahead has it.
func (s *Store) BeginCreate(ctx context.Context, r *Record, limit int, rep *Repetition) error {
	_, err := s.BeginWithin(ctx, r, limit, rep, nil)
	return err
}

// BeginWithin is BeginCreate within further limits, which may be nil. It returns the soft bounds
// that are reached, and fails with a *BudgetError or a *CountError too.
func (s *Store) BeginWithin(ctx context.Context, r *Record, limit int, rep *Repetition, within *Limits) ([]Reached, error) {
	args, doc, err := s.putArgs(r)
	if err != nil {
		return nil, err
	}
	limits, err := s.limitsArg(within, r.MilliCPU, r.MemoryMB)
	if err != nil {
		return nil, err
	}
	keys := append(s.recordKeys(r.GatewayID), s.key("records", r.GatewayID))
	life, value := int64(0), ""
	if rep != nil {
		keys[len(keys)-1] = s.repetition(r, rep.Key)
		life, value = rep.Life.Milliseconds(), rep.Value
	}
	args = append(args, limit, life, value, s.channel(), message(TopicRecords, r.GatewayID), limits)
	got, err := beginCreate.Run(ctx, s, Fence{}, keys, args...).StringSlice()
	if err != nil {
		return nil, wrap("recording a create", err)
	}
	return s.began(r, doc, limit, within, got)
}

// Repeated returns the value stored for repetitions of a create like r, or "" if there is
// none.
func (s *Store) Repeated(ctx context.Context, r *Record, key string) (value string, err error) {
	value, err = s.rdb.Get(ctx, s.repetition(r, key)).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return value, wrap("looking for an earlier create", err)
}

func (s *Store) repetition(r *Record, key string) string {
	return s.key("repeat", r.GatewayID, r.TokenID, r.Kind, key)
}

// changeRepetition replaces or removes the value of a repetition's key, unless the key
// belongs to another create by now.
//
// KEYS: the key; ARGV: its value, the new value (empty: none)
var changeRepetition = newScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
`)

// CancelCreate removes the record of a create that started nothing, so that it can be sent
// again.
func (s *Store) CancelCreate(ctx context.Context, r *Record, rep *Repetition) error {
	if rep != nil {
		if err := s.ForgetRepetition(ctx, r, *rep); err != nil {
			return err
		}
	}
	_, err := s.drop(ctx, Fence{}, r.GatewayID, "1", []*Record{r})
	return err
}

// KeepReply replaces the value stored for repetitions of a create. Its expiry stays the same.
func (s *Store) KeepReply(ctx context.Context, r *Record, rep Repetition, value string) error {
	_, err := s.run(ctx, "keeping a reply", changeRepetition, []string{s.repetition(r, rep.Key)}, rep.Value,
		value)
	return err
}

// ForgetRepetition removes the stored value, so that a create like r counts as the first again.
func (s *Store) ForgetRepetition(ctx context.Context, r *Record, rep Repetition) error {
	_, err := s.run(ctx, "forgetting a repetition", changeRepetition, []string{s.repetition(r, rep.Key)},
		rep.Value, "")
	return err
}

// Pending returns the creates that Livy has not confirmed: record ids by kind and name.
func (s *Store) Pending(ctx context.Context, gatewayID string) (map[[2]string]string, error) {
	got, err := s.rdb.HGetAll(ctx, s.key("pending", gatewayID)).Result()
	if err != nil {
		return nil, wrap("reading creates in progress", err)
	}
	pending := make(map[[2]string]string, len(got))
	for field, id := range got {
		kind, name, _ := strings.Cut(field, ":")
		pending[[2]string{kind, name}] = id
	}
	return pending, nil
}

// KEYS: pending; ARGV: kind and name of each
var forgetPending = newScript(`return redis.call('HDEL', KEYS[1], unpack(ARGV))`)

// ForgetPending stops waiting for the confirmation of creates.
func (s *Store) ForgetPending(ctx context.Context, f Fence, gatewayID string, names ...[2]string) error {
	if len(names) == 0 {
		return nil
	}
	fields := make([]any, len(names))
	for i, n := range names {
		fields[i] = n[0] + ":" + n[1]
	}
	return wrap("forgetting creates",
		forgetPending.Run(ctx, s, f, []string{s.key("pending", gatewayID)}, fields...).Err())
}
