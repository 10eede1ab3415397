package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// TopicNotice means that something was reported; the event's ID is the notice itself.
const TopicNotice = "notice"

// noticesLife is how long notices wait for an instance that delivers them.
const noticesLife = 7 * 24 * time.Hour

// noticesKey returns the key of what is to be delivered to a webhook. Its name is a secret's
// neighbor: the URL may have a token, so the key has its digest.
func (s *Store) noticesKey(hook string) string {
	sum := sha256.Sum256([]byte(hook))
	return s.key("notices", hex.EncodeToString(sum[:8]))
}

// addNotice queues a notice for each webhook, unless it was reported before.
//
// KEYS: what was noticed, and two for each webhook: times and documents. ARGV: id, document, now
// and the most that wait, life of both in ms, channel, message
var addNotice = newScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then return {0, 0} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[5])
local dropped = 0
for i = 2, #KEYS, 2 do
  redis.call('ZADD', KEYS[i], ARGV[3], ARGV[1])
  redis.call('HSET', KEYS[i+1], ARGV[1], ARGV[2])
  local over = redis.call('ZCARD', KEYS[i]) - tonumber(ARGV[4])
  if over > 0 then
    for _, id in ipairs(redis.call('ZRANGE', KEYS[i], 0, over - 1)) do
      redis.call('ZREM', KEYS[i], id)
      redis.call('HDEL', KEYS[i+1], id, id .. ' n')
      dropped = dropped + 1
    end
  end
  redis.call('PEXPIRE', KEYS[i], ARGV[6])
  redis.call('PEXPIRE', KEYS[i+1], ARGV[6])
end
redis.call('PUBLISH', ARGV[7], ARGV[8])
return {1, dropped}
`)

// Notice is something to report once, over all instances.
type Notice struct {
	// Key is the same for what is the same.
	Key string
	// ID and Doc are what webhooks get.
	ID  string
	Doc string
	// Life is how long it is remembered that it was reported.
	Life time.Duration
}

// AddNotice publishes a notice and queues it for webhooks, unless one with its key was reported
// before; new reports whether it was not. Beyond most waiting ones, the oldest of a webhook are
// dropped.
func (s *Store) AddNotice(ctx context.Context, n Notice, hooks []string, now time.Time, most int) (isNew bool, dropped int, err error) {
	sum := sha256.Sum256([]byte(n.Key))
	keys := []string{s.key("noticed", hex.EncodeToString(sum[:16]))}
	for _, hook := range hooks {
		key := s.noticesKey(hook)
		keys = append(keys, key, key+":docs")
	}
	got, err := addNotice.Run(ctx, s, Fence{}, keys, n.ID, n.Doc, now.UnixMilli(), most,
		n.Life.Milliseconds(), noticesLife.Milliseconds(), s.channel(), message(TopicNotice, n.Doc)).Int64Slice()
	if err != nil {
		return false, 0, wrap("reporting a notice", err)
	}
	return got[0] == 1, int(got[1]), nil
}

// claimNotice takes the notice that is due first, and makes it due again later, in case that
// whoever took it dies.
//
// KEYS: times, documents; ARGV: now, when it is due again
var claimNotice = newScript(`
local id = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1)[1]
if not id then return {} end
local doc = redis.call('HGET', KEYS[2], id)
if not doc then
  redis.call('ZREM', KEYS[1], id)
  return {}
end
redis.call('ZADD', KEYS[1], ARGV[2], id)
return {id, doc, redis.call('HINCRBY', KEYS[2], id .. ' n', 1)}
`)

// Delivery is a notice that an instance has taken in order to deliver it.
type Delivery struct {
	Hook, ID, Doc string
	// Attempt counts the attempts, this one included.
	Attempt int64
}

// ClaimNotice takes a notice that is due for a webhook; nil if there is none. Others do not get
// it before the lease has ended.
func (s *Store) ClaimNotice(ctx context.Context, hook string, now time.Time, lease time.Duration) (*Delivery, error) {
	key := s.noticesKey(hook)
	got, err := claimNotice.Run(ctx, s, Fence{}, []string{key, key + ":docs"},
		now.UnixMilli(), now.Add(lease).UnixMilli()).Slice()
	if errors.Is(err, redis.Nil) || err == nil && len(got) < 3 {
		return nil, nil
	}
	if err != nil {
		return nil, wrap("taking a notice", err)
	}
	id, _ := got[0].(string)
	doc, _ := got[1].(string)
	attempt, _ := got[2].(int64)
	return &Delivery{Hook: hook, ID: id, Doc: doc, Attempt: attempt}, nil
}

// KEYS: times, documents; ARGV: id, when it is due again or "" for never
var settleNotice = newScript(`
if ARGV[2] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1], ARGV[1] .. ' n')
elseif redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
end
return 1
`)

// SettleNotice removes a notice that was delivered or given up, or makes it due again.
func (s *Store) SettleNotice(ctx context.Context, d *Delivery, again time.Time) error {
	at := any("")
	if !again.IsZero() {
		at = again.UnixMilli()
	}
	key := s.noticesKey(d.Hook)
	return wrap("settling a notice", settleNotice.Run(ctx, s, Fence{}, []string{key, key + ":docs"}, d.ID, at).Err())
}
