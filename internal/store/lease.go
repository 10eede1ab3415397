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

// TopicLease is the topic of events about leases that were given back: whoever
// wants one may ask for it now. It has no ID.
const TopicLease = "lease"

// claimLeases renews and takes leases, and tells who else is there. A lease is
// "number, end in ms by Redis's clock, holder"; its number outlives it.
//
// No number is given out twice for a gateway: each is above the last one, and at
// least Redis's clock in milliseconds, so that they go on rising when a failover
// or a restored backup lost the last ones.
//
// It also keeps the clock (see Mark): if Redis's is behind the one that the asking
// instance knows, Redis has lost what was written in between, which is noted, and
// public ids go on far above those that may have been given out.
//
// KEYS: leases, instances, gateways, clock, what keys of ids begin with
// ARGV: who asks, time to live in ms, its description, ms after which instances
// are forgotten, the clock that it knows, ms by which Redis's may be behind, how
// many ids to leave out then, then for each gateway: id, number held or 0
// Returns the numbers (0: another one's), the former holders of leases that
// were taken, the instances, and the clock with when it was found set back.
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

// releaseLeases gives leases back. Their numbers stay.
//
// KEYS: leases, instances; ARGV: who, its last description, channel, message, then
// for each gateway: id, number
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
	// ID is its own in each run.
	ID string `json:"-"`
	// Name is for people: host and process id.
	Name string `json:"name"`
	// Place is where the Livy servers run that it can reach and stop: those of
	// another place are not its affair. Empty: wherever they are.
	Place string `json:"place,omitempty"`
	// Left reports whether it ended as it should.
	Left bool `json:"left,omitempty"`
	// Silent is for how long it has not been heard of.
	Silent time.Duration `json:"-"`
}

// Claim is what an instance wants: leases on gateways, by id. A number is that
// of the lease it holds, 0 that it wants one.
type Claim struct {
	By     Instance
	Leases map[string]int64
	// TTL is how long the leases last, Forget how long instances are listed after
	// they were last heard of.
	TTL, Forget time.Duration
	// Mark is that of the last Grant.
	Mark Mark
}

// Grant is the answer to a Claim.
type Grant struct {
	// Leases are the numbers of those that are held now, renewed or taken.
	Leases map[string]int64
	// Former are the IDs of the instances that last held what was taken.
	Former map[string]string
	// Instances are all that are known of, the asking one included.
	Instances []Instance
	// Mark is for the next Claim.
	Mark Mark
}

// ClaimLeases renews leases and takes those that are free. A lease that was
// lost meanwhile is taken anew, with another number, if it is free.
func (s *Store) ClaimLeases(ctx context.Context, c Claim) (Grant, error) {
	about, err := json.Marshal(c.By)
	if err != nil {
		return Grant{}, fmt.Errorf("describing an instance: %w", err)
	}
	args := []any{c.By.ID, c.TTL.Milliseconds(), about, c.Forget.Milliseconds(), c.Mark.Clock, rewindTolerance.Milliseconds(), RestoredSkip}
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
			continue // a newer version's way to describe itself
		}
		ms, _ := strconv.ParseInt(instances[i+1], 10, 64)
		in.Silent = time.Duration(ms) * time.Millisecond
		g.Instances = append(g.Instances, in)
	}
	mark := texts(got[3])
	g.Mark.Clock, _ = strconv.ParseInt(mark[0], 10, 64)
	g.Mark.Rewound, _ = strconv.ParseInt(mark[1], 10, 64)
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

// ReleaseLeases gives leases (numbers by gateway id) back at once and notes that
// the instance has left.
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
	_, err = s.run(ctx, "giving leases back", releaseLeases, []string{s.key("leases"), s.key("instances")}, args...)
	return err
}
