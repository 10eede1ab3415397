package store

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// dropRecords removes records and their index entries, unless they are live. The usage sums
// stay.
//
// KEYS: see recordKeys; ARGV: channel, message, and for each record: id, kind, public id
// or "", name, token, state, "1" to remove it though it lives, how it counts (see accounting)
var dropRecords = newScript(countRecord + `
redis.call('PUBLISH', ARGV[1], ARGV[2])
local dropped = 0
for i = 3, #ARGV, 8 do
  local id, kind, public, name, token, state = ARGV[i], ARGV[i+1], ARGV[i+2], ARGV[i+3], ARGV[i+4], ARGV[i+5]
  if ARGV[i+6] == '1' or redis.call('SISMEMBER', KEYS[3], id) == 0 then
    dropped = dropped + redis.call('HDEL', KEYS[1], id)
    redis.call('SREM', KEYS[3], id)
    count({}, id, token, false, false, ARGV[i+7])
    redis.call('ZREM', KEYS[2], id)
    redis.call('ZREM', KEYS[2] .. ':s:' .. state, id)
    if token ~= '' then
      redis.call('SREM', KEYS[3] .. ':t:' .. token .. ':' .. kind, id)
      redis.call('ZREM', KEYS[2] .. ':t:' .. token, id)
      redis.call('ZREM', KEYS[2] .. ':t:' .. token .. ':s:' .. state, id)
    end
    if public ~= '' then redis.call('HDEL', KEYS[6], kind .. ':' .. public) end
    if redis.call('HGET', KEYS[7], kind .. ':' .. name) == id then redis.call('HDEL', KEYS[7], kind .. ':' .. name) end
  end
end
return dropped
`)

// DropRecords removes records that have ended and returns how many it removed.
func (s *Store) DropRecords(ctx context.Context, f Fence, gatewayID string, records ...*Record) (int, error) {
	return s.drop(ctx, f, gatewayID, "0", records)
}

func (s *Store) drop(ctx context.Context, f Fence, gatewayID, living string, records []*Record) (int, error) {
	if len(records) == 0 {
		return 0, nil
	}
	args := make([]any, 0, 2+8*len(records))
	args = append(args, s.channel(), message(TopicRecords, gatewayID))
	for _, r := range records {
		public := ""
		if r.PublicID >= 0 {
			public = publicRef(r.Kind, r.PublicID)[len(r.Kind)+1:]
		}
		accounts, err := s.accounting(r)
		if err != nil {
			return 0, err
		}
		args = append(args, r.ID, r.Kind, public, r.Name, r.TokenID, r.State, living, accounts)
	}
	n, err := dropRecords.Run(ctx, s, f, s.recordKeys(gatewayID), args...).Int()
	return n, wrap("dropping records", err)
}

// DeletedGateways are the ids of gateways that were deleted before a time and may have
// left records behind.
func (s *Store) DeletedGateways(ctx context.Context, before time.Time) ([]string, error) {
	ids, err := s.rdb.ZRangeByScore(ctx, s.key("deleted"), &redis.ZRangeBy{
		Min: "-inf", Max: "(" + strconv.FormatInt(before.Unix(), 10), Count: 100,
	}).Result()
	return ids, wrap("reading which gateways were deleted", err)
}

// ForgetDeleted removes a deleted gateway from the list of those that may have left records.
func (s *Store) ForgetDeleted(ctx context.Context, gatewayID string) error {
	return wrap("forgetting a deleted gateway", s.rdb.ZRem(ctx, s.key("deleted"), gatewayID).Err())
}

// DeleteRecords removes all records of a gateway, its sums of usage too.
func (s *Store) DeleteRecords(ctx context.Context, gatewayID string) error {
	tokens, err := s.rdb.SMembers(ctx, s.key("record-tokens", gatewayID)).Result()
	if err != nil {
		return wrap("deleting records", err)
	}
	index, live := s.key("record-index", gatewayID), s.key("live", gatewayID)
	indexes := []string{index}
	keys := []string{
		live, s.key("records", gatewayID), s.key("names", gatewayID), s.key("record-ids", gatewayID),
		s.key("pending", gatewayID), s.key("warm", gatewayID), s.key("usage", gatewayID), s.key("record-tokens", gatewayID),
		s.key("statements", gatewayID), s.key("statements-index", gatewayID),
		s.key(oldStatementsKey, gatewayID), s.key(oldStatementsIndexKey, gatewayID),
		s.key("tokens-revoked", gatewayID), // nobody can list the tokens of a deleted gateway
		s.heldKey(Account{PerGateway, gatewayID}),
	}
	for _, token := range tokens {
		indexes = append(indexes, index+":t:"+token)
		keys = append(keys, live+":t:"+token+":session", live+":t:"+token+":batch", s.heldKey(Account{PerToken, token}))
	}
	for _, index := range indexes {
		keys = append(keys, index)
		for _, state := range finalStates {
			keys = append(keys, index+":s:"+state)
		}
	}
	return wrap("deleting records", s.rdb.Unlink(ctx, keys...).Err())
}
