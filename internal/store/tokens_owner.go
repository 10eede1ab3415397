package store

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// maxOwned bounds how many tokens of one owner are read: those not revoked first, and
// the newest of each.
const maxOwned = 1000

// OwnedTokens reads the tokens of an owner, the newest first, and then tombstones.
func (s *Store) OwnedTokens(ctx context.Context, owner string) ([]*TokenRow, error) {
	if owner == "" {
		return nil, nil
	}
	const doing = "listing tokens of an owner"
	key := s.key("owner-tokens", owner)
	ids, err := s.rdb.ZRevRange(ctx, key, 0, maxOwned-1).Result()
	if err != nil {
		return nil, wrap(doing, err)
	}
	if len(ids) == 0 {
		return nil, s.checkMark(ctx, doing)
	}
	rows, err := s.TokensByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	owned := make([]*TokenRow, 0, len(rows))
	var gone []any
	for i, row := range rows {
		switch {
		case row == nil: // its tombstone has ended
			gone = append(gone, ids[i])
		case row.Owner == owner:
			owned = append(owned, row)
		}
	}
	if len(gone) > 0 {
		_ = s.rdb.ZRem(ctx, key, gone...).Err() // the next reader does it otherwise
	}
	return owned, nil
}

// TokenRef is a token's place in the list of all.
type TokenRef struct {
	ID, GatewayID string
	Created       float64 // ms
}

// TokenRefs lists the tokens of several gateways, without tombstones, in no order.
func (s *Store) TokenRefs(ctx context.Context, gatewayIDs []string) ([]TokenRef, error) {
	const doing, atOnce = "listing tokens", 500
	var refs []TokenRef
	for len(gatewayIDs) > 0 {
		n := min(len(gatewayIDs), atOnce)
		pipe := s.rdb.Pipeline()
		replies := make([]*redis.ZSliceCmd, n)
		for i, id := range gatewayIDs[:n] {
			replies[i] = pipe.ZRangeWithScores(ctx, s.key("tokens", id), 0, -1)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, wrap(doing, err)
		}
		for i, reply := range replies {
			for _, z := range reply.Val() {
				id, _ := z.Member.(string)
				refs = append(refs, TokenRef{ID: id, GatewayID: gatewayIDs[i], Created: z.Score})
			}
		}
		gatewayIDs = gatewayIDs[n:]
	}
	if len(refs) == 0 {
		return nil, s.checkMark(ctx, doing)
	}
	return refs, nil
}
