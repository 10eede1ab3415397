package store

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Installation returns the name of the installation that uses this Redis; the first
// caller's proposal becomes the name. It marks what the installation started, e.g.
// containers.
func (s *Store) Installation(ctx context.Context, proposal string) (string, error) {
	key := s.key("installation")
	if err := s.rdb.SetNX(ctx, key, proposal, 0).Err(); err != nil {
		return "", wrap("naming the installation", err)
	}
	name, err := s.rdb.Get(ctx, key).Result()
	return name, wrap("reading the installation's name", err)
}

// touch stores the later of the stored and the given time, and returns that of the first gateway.
// KEYS: used of each; ARGV: time for each
var touch = redis.NewScript(`
local first
for i, key in ipairs(KEYS) do
  local last = tonumber(redis.call('GET', key) or '0')
  if tonumber(ARGV[i]) > last then
    redis.call('SET', key, ARGV[i])
    last = tonumber(ARGV[i])
  end
  first = first or last
end
return first
`)

// TouchAll is Touch for several gateways, by id.
func (s *Store) TouchAll(ctx context.Context, at map[string]int64) error {
	var keys []string
	var times []any
	for id, ms := range at {
		keys = append(keys, s.key("used", id))
		times = append(times, ms)
	}
	return wrap("recording the use of gateways", touch.Run(ctx, s.rdb, keys, times...).Err())
}

// Touch records the use of a gateway at a time, in Unix milliseconds, unless a later use is
// already recorded, and returns the time of the last use.
func (s *Store) Touch(ctx context.Context, gatewayID string, at int64) (int64, error) {
	last, err := touch.Run(ctx, s.rdb, []string{s.key("used", gatewayID)}, at).Int64()
	return last, wrap("recording the use of gateway "+gatewayID, err)
}
