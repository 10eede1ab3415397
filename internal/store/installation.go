package store

import (
	"context"
)

// setOnce sets a key that is not set, and returns its value.
// KEYS: the key; ARGV: the proposed value
var setOnce = newScript(`
redis.call('SETNX', KEYS[1], ARGV[1])
return redis.call('GET', KEYS[1])
`)

// Installation returns the name of this Redis's installation of gateways; the
// first caller's proposal becomes it. What an installation started elsewhere,
// e.g. containers, is told apart by it from what others did.
func (s *Store) Installation(ctx context.Context, proposal string) (string, error) {
	key := s.key("installation")
	name, err := setOnce.Run(ctx, s, Fence{}, []string{key}, proposal).Text()
	return name, wrap("naming the installation", err)
}

// touch stores the later of the stored and the given time, and returns that of the first gateway.
// KEYS: used of each; ARGV: time for each
var touch = newScript(`
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
	return wrap("recording the use of gateways", touch.Run(ctx, s, Fence{}, keys, times...).Err())
}

// Touch records the use of a gateway at a time, in Unix milliseconds, unless a later use is
// already recorded, and returns the time of the last use.
func (s *Store) Touch(ctx context.Context, gatewayID string, at int64) (int64, error) {
	last, err := touch.Run(ctx, s, Fence{}, []string{s.key("used", gatewayID)}, at).Int64()
	return last, wrap("recording the use of gateway "+gatewayID, err)
}
