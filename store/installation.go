package store

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Installation returns the name of this Redis's installation of gateways; the
// first caller's proposal becomes it. What an installation started elsewhere,
// e.g. containers, is told apart by it from what others did.
func (s *Store) Installation(ctx context.Context, proposal string) (string, error) {
	key := s.key("installation")
	if err := s.rdb.SetNX(ctx, key, proposal, 0).Err(); err != nil {
		return "", wrap("naming the installation", err)
	}
	name, err := s.rdb.Get(ctx, key).Result()
	return name, wrap("reading the installation's name", err)
}

// touch keeps the latest of all times. KEYS: used; ARGV: time
var touch = redis.NewScript(`
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) > last then
  redis.call('SET', KEYS[1], ARGV[1])
  return tonumber(ARGV[1])
end
return last
`)

// Touch notes that a gateway was used at a time, in Unix milliseconds, unless a
// later use is noted already, and returns the last one.
func (s *Store) Touch(ctx context.Context, gatewayID string, at int64) (int64, error) {
	last, err := touch.Run(ctx, s.rdb, []string{s.key("used", gatewayID)}, at).Int64()
	return last, wrap("noting the use of gateway "+gatewayID, err)
}
