package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TopicLease is the topic of events about released leases, which other instances may claim
// at once. Its events have no ID.
const TopicLease = "lease"

// claimLeases renews and claims leases, and returns the known instances. A lease is
// "number, expiry in ms by Redis's clock, holder"; its number outlives it.
//
// No number is granted twice for a gateway: each is higher than the last one and at least
// Redis's clock in milliseconds, so numbers keep rising even if a failover or a restored
// backup lost the last ones.
//
// It also maintains the clock (see Checkpoint). If the stored clock is behind the clock that
// the instance knows, Redis was rolled back: the script records that, and makes public ids
// continue far above those that may have been issued.
//
// KEYS: leases, instances, gateways, clock, the prefix of the keys of ids
// ARGV: the instance's id, TTL in ms, the instance's description, ms after which silent
// instances are forgotten, the clock it knows, the tolerance in ms, the number of ids to
// skip after a rollback; then for each gateway: id, number held or 0
// Returns the numbers (0: held by another instance), the former holders of claimed leases,
// the instances, and the clock with the time of the last rollback.
var claimLeases = newScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local me, ttl = ARGV[1], tonumber(ARGV[2])
redis.call('HSET', KEYS[2], me, string.format('%.0f ', now) .. ARGV[3])
local numbers, former = {}, {}
local clock, known = tonumber(redis.call('HGET', KEYS[4], 'now') or '0'), tonumber(ARGV[5])
if known > clock + tonumber(ARGV[6]) then
  redis.call('HSET', KEYS[4], 'rewound', string.format('%.0f', now), 'from', ARGV[5], 'to', string.format('%.0f', clock))
  for _, id in ipairs(redis.call('HKEYS', KEYS[3])) do
    redis.call('HINCRBY', KEYS[5] .. id, 'session', ARGV[7])
    redis.call('HINCRBY', KEYS[5] .. id, 'batch', ARGV[7])
  end
end
clock = string.format('%.0f', math.max(clock, known, now))
redis.call('HSET', KEYS[4], 'now', clock)
for i = 8, #ARGV, 2 do
  local number, till, holder = string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '', '^(%d+) (%d+) (.*)$')
  number, till = tonumber(number or '0'), tonumber(till or '0')
  local free = till <= now or till > now + 2 * ttl -- the latter: the clock was set back
  local give = 0
  if redis.call('HEXISTS', KEYS[3], ARGV[i]) == 0 then
    give = 0
  elseif not free and holder == me and number == tonumber(ARGV[i+1]) then
    give = number
  elseif free or holder == me then
    give = math.max(number + 1, now)
  end
  if give > 0 then
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f %.0f ', give, now + ttl) .. me)
  end
  numbers[#numbers+1] = string.format('%.0f', give)
  former[#former+1] = holder or ''
end
local instances = {}
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  local seen = tonumber(string.match(all[i+1], '^%d+'))
  if seen < now - tonumber(ARGV[4]) then
    redis.call('HDEL', KEYS[2], all[i])
  else
    instances[#instances+1] = all[i]
    instances[#instances+1] = string.format('%.0f', now - seen)
    instances[#instances+1] = string.match(all[i+1], '^%d+ (.*)$')
  end
end
return {numbers, former, instances, {clock, redis.call('HGET', KEYS[4], 'rewound') or '0'}}
`)

// releaseLeases releases leases. Their numbers stay.
//
// KEYS: leases, instances; ARGV: the instance's id, its last description, channel,
// message; then for each gateway: id, number
var releaseLeases = newScript(`
redis.call('PUBLISH', ARGV[3], ARGV[4])
for i = 5, #ARGV, 2 do
  if string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '', '^%d+') == ARGV[i+1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i+1] .. ' 0 ' .. ARGV[1])
  end
end
local t = redis.call('TIME')
redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f ', t[1] * 1000 + math.floor(t[2] / 1000)) .. ARGV[2])
`)

// Instance is one of the processes that share this Redis.
type Instance struct {
	// ID is unique to each run of a process.
	ID string `json:"-"`
	// Name is the human-readable name: host and process id.
	Name string `json:"name"`
	// Location is where the Livy servers run that this instance can reach and stop. Empty
	// if it can reach them anywhere.
	Location string `json:"place,omitempty"`
	// Left reports whether the instance shut down cleanly.
	Left bool `json:"left,omitempty"`
	// Silent is the time since the instance last claimed leases.
	Silent time.Duration `json:"-"`
}

// Claim is a request for leases, by gateway id. The value is the number of the lease that
// the instance holds, or 0 to claim one.
type Claim struct {
	By     Instance
	Leases map[string]int64
	// TTL is the lifetime of the leases; Forget is how long silent instances stay listed.
	TTL, Forget time.Duration
	// Checkpoint is that of the last Grant.
	Checkpoint Checkpoint
}

// Grant is the answer to a Claim.
type Grant struct {
	// Leases holds the numbers of the leases that were renewed or granted.
	Leases map[string]int64
	// Former holds the ids of the former holders of newly granted leases.
	Former map[string]string
	// Instances lists all known instances, including the caller.
	Instances []Instance
	// Checkpoint is for the next Claim.
	Checkpoint Checkpoint
}

// ClaimLeases renews leases and claims free ones. A lease that was lost in the meantime is
// granted again, with a new number, if it is free.
func (s *Store) ClaimLeases(ctx context.Context, c Claim) (Grant, error) {
	about, err := json.Marshal(c.By)
	if err != nil {
		return Grant{}, fmt.Errorf("describing an instance: %w", err)
	}
	args := []any{
		c.By.ID, c.TTL.Milliseconds(), about, c.Forget.Milliseconds(), c.Checkpoint.Clock,
		rollbackTolerance.Milliseconds(), RestoredSkip,
	}
	ids := make([]string, 0, len(c.Leases))
	for id, number := range c.Leases {
		ids = append(ids, id)
		args = append(args, id, number)
	}
	keys := []string{s.key("leases"), s.key("instances"), s.key("gateways"), s.key("clock"), s.key("ids", "")}
	got, err := claimLeases.Run(ctx, s, Fence{}, keys, args...).Slice()
	if err != nil {
		return Grant{}, wrap("claiming leases", err)
	}
	g := Grant{Leases: make(map[string]int64), Former: make(map[string]string)}
	numbers, former, instances := texts(got[0]), texts(got[1]), texts(got[2])
	for i, id := range ids {
		number, _ := strconv.ParseInt(numbers[i], 10, 64)
		if number == 0 {
			continue
		}
		g.Leases[id] = number
		if number != c.Leases[id] {
			g.Former[id] = former[i]
		}
	}
	for i := 0; i+2 < len(instances); i += 3 {
		in := Instance{ID: instances[i]}
		if err := json.Unmarshal([]byte(instances[i+2]), &in); err != nil {
			continue // written by a newer version
		}
		ms, _ := strconv.ParseInt(instances[i+1], 10, 64)
		in.Silent = time.Duration(ms) * time.Millisecond
		g.Instances = append(g.Instances, in)
	}
	mark := texts(got[3])
	g.Checkpoint.Clock, _ = strconv.ParseInt(mark[0], 10, 64)
	g.Checkpoint.Rollback, _ = strconv.ParseInt(mark[1], 10, 64)
	slices.SortFunc(g.Instances, func(a, b Instance) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	return g, nil
}

func texts(v any) []string {
	list, _ := v.([]any)
	all := make([]string, len(list))
	for i := range list {
		all[i], _ = list[i].(string)
	}
	return all
}

// ReleaseLeases releases leases (numbers by gateway id) and records that the instance has
// shut down.
func (s *Store) ReleaseLeases(ctx context.Context, by Instance, leases map[string]int64) error {
	by.Left = true
	about, err := json.Marshal(by)
	if err != nil {
		return fmt.Errorf("describing an instance: %w", err)
	}
	args := []any{by.ID, about, s.channel(), message(TopicLease, "")}
	for id, number := range leases {
		args = append(args, id, number)
	}
	_, err = s.run(ctx, "releasing leases", releaseLeases, []string{s.key("leases"), s.key("instances")}, args...)
	return err
}
