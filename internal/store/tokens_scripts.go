package store

import "github.com/redis/go-redis/v9"

// putToken creates (expected revision 0) or changes a token.
// KEYS: token, list, audit, the owner's list (the gateway's list again for a token without
// an owner). ARGV: id, expected revision, doc, gateway, index, created (ms), channel,
// message, prefix of secret keys, audit entry, message about the gateway, owner or "", how
// many tokens the owner may have or 0, prefix of token keys.
var putToken = newScript(`
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
end
local keep = {}
for sum in string.gmatch(ARGV[5], '[^,]+') do
  local owner = redis.call('GET', ARGV[9] .. sum)
  if owner and owner ~= ARGV[1] then return 'taken' end
  keep[sum] = true
end
local owned = ARGV[2] == '0' and ARGV[12] ~= ''
local most = tonumber(ARGV[13])
if owned and most > 0 and redis.call('ZCOUNT', KEYS[4], '(0', '+inf') >= most then
  -- The list may still have tokens that were revoked by an older version or have expired.
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '(0', '+inf')) do
    local key = ARGV[14] .. other
    if redis.call('EXISTS', key) == 0 then
      redis.call('ZREM', KEYS[4], other)
    elseif redis.call('HEXISTS', key, 'revoked') == 1 then
      redis.call('ZADD', KEYS[4], string.format('%.0f', redis.call('ZSCORE', KEYS[4], other) - 1e14), other)
    end
  end
  if redis.call('ZCOUNT', KEYS[4], '(0', '+inf') >= most then return 'many' end
end
redis.call('PUBLISH', ARGV[7], ARGV[8])
redis.call('PUBLISH', ARGV[7], ARGV[11])
-- A Redis that is full refuses a script's first write if it could need memory.
-- With this one first, a token can be disabled or reset even then.
if rev then redis.call('PERSIST', KEYS[1]) end
redis.call('XADD', KEYS[3], '*', 'e', ARGV[10])
for sum in string.gmatch(redis.call('HGET', KEYS[1], 'index') or '', '[^,]+') do
  if not keep[sum] then redis.call('DEL', ARGV[9] .. sum) end
end
for sum in pairs(keep) do redis.call('SET', ARGV[9] .. sum, ARGV[1]) end
redis.call('HSET', KEYS[1], 'doc', ARGV[3], 'gateway', ARGV[4], 'index', ARGV[5], 'rev', tonumber(ARGV[2]) + 1)
redis.call('ZADD', KEYS[2], ARGV[6], ARGV[1])
if owned then
  redis.call('HSET', KEYS[1], 'owner', ARGV[12])
  redis.call('ZADD', KEYS[4], ARGV[6], ARGV[1])
end
return 'ok'
`)

// revokeToken turns a token into a tombstone, whatever its revision.
// KEYS: token, list, audit, list of the revoked. ARGV: id, gateway, now (ms), life (ms),
// channel, message, prefix of secret keys, entry of the audit, expected revision (empty:
// any), message about the gateway, prefix of the owners' lists.
var revokeToken = newScript(`
if redis.call('HGET', KEYS[1], 'gateway') ~= ARGV[2] then return 'missing' end
local revoked = redis.call('HEXISTS', KEYS[1], 'revoked') == 1
if not revoked and ARGV[9] ~= '' and redis.call('HGET', KEYS[1], 'rev') ~= ARGV[9] then return 'stale' end
redis.call('PUBLISH', ARGV[5], ARGV[6])
redis.call('PUBLISH', ARGV[5], ARGV[10])
if not revoked then
  redis.call('PERSIST', KEYS[1]) -- first, for a Redis that is full: see above
  redis.call('XADD', KEYS[3], '*', 'e', ARGV[8])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  redis.call('HSET', KEYS[1], 'revoked', ARGV[3])
  redis.call('HINCRBY', KEYS[1], 'rev', 1)
  for sum in string.gmatch(redis.call('HGET', KEYS[1], 'index') or '', '[^,]+') do
    redis.call('PEXPIRE', ARGV[7] .. sum, ARGV[4])
  end
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', tonumber(ARGV[3]) - tonumber(ARGV[4]))
  redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1])
  redis.call('PEXPIRE', KEYS[4], ARGV[4])
  local owner = redis.call('HGET', KEYS[1], 'owner')
  local since = owner and redis.call('ZSCORE', ARGV[11] .. owner, ARGV[1])
  if since and tonumber(since) > 0 then
    redis.call('ZADD', ARGV[11] .. owner, 'XX', string.format('%.0f', since - 1e14), ARGV[1])
  end
end
return 'ok'
`)

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
