package store

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/livygateway/livygateway/internal/gateway"
)

// A Redis that holds our data has the mark: the key schema. One without it was emptied,
// or is another one than it was. It would call every token unknown and every gateway
// deleted, so it is treated as being away, and nothing is written to it: what lost its
// data may get them back. Only a new process begins with an empty Redis (see Migrate).

// emptiedReply is what a script replies in a Redis without the mark.
const emptiedReply = "EMPTIED"

const emptiedText = "Redis holds no data of this gateway: it was emptied, is another one, or is not set up yet; restore a backup, or restart Caddy to begin with an empty one"

// ErrEmptied means that Redis has lost its data.
var ErrEmptied error = gateway.Errorf(gateway.KindUnavailable, emptiedText)

// requireMark is prepended to scripts. It removes its own key from the end.
const requireMark = `
if redis.call('EXISTS', table.remove(KEYS)) == 0 then return redis.error_reply('` + emptiedReply + ` ` + emptiedText + `') end
`

func (s *Store) withMark(keys []string) []string { return append(slices.Clip(keys), s.key("schema")) }

// checkMark fails with ErrEmptied if Redis has no mark. It is for who found nothing.
func (s *Store) checkMark(ctx context.Context, doing string) error {
	n, err := s.rdb.Exists(ctx, s.key("schema")).Result()
	if err == nil && n == 0 {
		err = ErrEmptied
	}
	return wrap(doing, err)
}

// wrapMissing is wrap for reads of what may not be there: KindNotFound only if Redis has
// our data.
func (s *Store) wrapMissing(ctx context.Context, doing string, err error) error {
	if errors.Is(err, redis.Nil) {
		if err := s.checkMark(ctx, doing); err != nil {
			return err
		}
	}
	return wrap(doing, err)
}
