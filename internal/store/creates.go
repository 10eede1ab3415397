package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/livygateway/livygateway/internal/gateway"
)

// beginCreate writes a record down before its create is sent, unless the create
// is the repetition of another one, its token has as many as it may, or another
// one of that name is under way.
//
// KEYS: see recordKeys, and as the tenth the key of the repetition, or "records"
// again. ARGV: the record (see putRecord), limit or 0, time to live of the
// repetition's key in ms or 0, its value, channel, message
var beginCreate = redis.NewScript(putRecord + `
local a = {}
for j = 1, 11 do a[j] = ARGV[j] end
local id, kind, name, token = a[1], a[6], a[8], a[9]
if ARGV[13] ~= '0' then
  local first = redis.call('GET', KEYS[10])
  if first then return {'repeated', first} end
end
local limit = tonumber(ARGV[12])
if limit > 0 and redis.call('SCARD', KEYS[3] .. ':t:' .. token .. ':' .. kind) >= limit then return {'limit', ''} end
local other = redis.call('HGET', KEYS[7], kind .. ':' .. name)
if other and other ~= id and redis.call('SISMEMBER', KEYS[3], other) == 1 then return {'name', other} end
if not put(a) then return {'changed', ''} end
redis.call('HSET', KEYS[7], kind .. ':' .. name, id)
if ARGV[13] ~= '0' then redis.call('SET', KEYS[10], ARGV[14], 'PX', ARGV[13]) end
redis.call('PUBLISH', ARGV[15], ARGV[16])
return {'ok', ''}
`)

// Repetition marks a create that a client may send again, and must start only
// one session or batch.
type Repetition struct {
	// Key tells repetitions of one token apart; made with RepetitionKey.
	Key string
	// Value is kept for Life; it is the caller's own affair.
	Value string
	Life  time.Duration
}

// RepeatedError is what BeginCreate returns for a repetition, with the value of
// the first.
type RepeatedError struct{ Value string }

// Error says what happened.
func (e *RepeatedError) Error() string { return "this create was sent before" }

// BeginCreate writes down that a create is about to be sent. It fails with a
// *RepeatedError for a repetition, with KindLimited when the token has limit (if
// not 0) living ones of this kind, and with KindConflict when another create of
// this name is under way.
func (s *Store) BeginCreate(ctx context.Context, r *Record, limit int, rep *Repetition) error {
	args, doc, err := r.putArgs()
	if err != nil {
		return err
	}
	keys := append(s.recordKeys(r.GatewayID), s.key("records", r.GatewayID))
	life, value := int64(0), ""
	if rep != nil {
		keys[len(keys)-1] = s.repetition(r, rep.Key)
		life, value = rep.Life.Milliseconds(), rep.Value
	}
	got, err := beginCreate.Run(ctx, s.rdb, keys, append(args, limit, life, value, s.channel(), message(TopicRecords, r.GatewayID))...).StringSlice()
	if err != nil {
		return wrap("writing down a create", err)
	}
	switch got[0] {
	case "ok":
		r.stored = doc
		return nil
	case "repeated":
		return &RepeatedError{Value: got[1]}
	case "limit":
		return gateway.Errorf(gateway.KindLimited, "this token may have %s at a time, and has as many", gateway.Count(limit, r.Kind))
	case "name":
		return gateway.Errorf(gateway.KindConflict, "another %s named %q is being created", r.Kind, r.Name)
	default:
		return fmt.Errorf("writing down create %s: %w", r.ID, ErrChanged)
	}
}

// Repeated reads what is kept for the repetitions of a create like r, "" if nothing
// is.
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

// changeRepetition gives a repetition's key another value, or removes it, unless
// another create has the key by now.
//
// KEYS: the key; ARGV: its value, the new value (empty: none)
var changeRepetition = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
`)

// CancelCreate removes the record of a create that started nothing, and lets it
// be sent again.
func (s *Store) CancelCreate(ctx context.Context, r *Record, rep *Repetition) error {
	if rep != nil {
		if err := s.ForgetRepetition(ctx, r, *rep); err != nil {
			return err
		}
	}
	_, err := s.drop(ctx, Fence{}, r.GatewayID, "1", []*Record{r})
	return err
}

// KeepReply keeps value for the repetitions of a create in place of rep's, for
// as long as that would have been.
func (s *Store) KeepReply(ctx context.Context, r *Record, rep Repetition, value string) error {
	_, err := s.run(ctx, "keeping a reply", changeRepetition, []string{s.repetition(r, rep.Key)}, rep.Value, value)
	return err
}

// ForgetRepetition lets a create like r be sent again as if it were the first.
func (s *Store) ForgetRepetition(ctx context.Context, r *Record, rep Repetition) error {
	_, err := s.run(ctx, "forgetting a repetition", changeRepetition, []string{s.repetition(r, rep.Key)}, rep.Value, "")
	return err
}

// Pending finds the creates that Livy has not confirmed: record ids by kind and
// name.
func (s *Store) Pending(ctx context.Context, gatewayID string) (map[[2]string]string, error) {
	got, err := s.rdb.HGetAll(ctx, s.key("pending", gatewayID)).Result()
	if err != nil {
		return nil, wrap("reading creates under way", err)
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

// ForgetPending gives up waiting for a create's confirmation.
func (s *Store) ForgetPending(ctx context.Context, f Fence, gatewayID string, names ...[2]string) error {
	if len(names) == 0 {
		return nil
	}
	fields := make([]any, len(names))
	for i, n := range names {
		fields[i] = n[0] + ":" + n[1]
	}
	return wrap("forgetting creates", forgetPending.Run(ctx, s, f, []string{s.key("pending", gatewayID)}, fields...).Err())
}
