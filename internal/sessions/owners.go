package sessions

import (
	"context"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// owner identifies the record and the token of a session or batch. It never changes, so it
// is cached without expiry.
type owner struct{ record, token string }

// publicKey identifies a session or batch by its public id.
type publicKey struct {
	gatewayID string
	kind      livy.Kind
	publicID  int64
}

// Owns reports whether a token created the session or batch with a public id.
func (l *Ledger) Owns(
	ctx context.Context, gatewayID, tokenID string, kind livy.Kind, publicID int64,
) (bool, error) {
	owned, err := l.Owned(ctx, gatewayID, tokenID, kind, []int64{publicID})
	return err == nil && owned[publicID], err
}

// Owned returns which of the sessions or batches a token created. It reads those that are
// not cached from Redis.
func (l *Ledger) Owned(
	ctx context.Context, gatewayID, tokenID string, kind livy.Kind, publicIDs []int64,
) (map[int64]bool, error) {
	owned := make(map[int64]bool, len(publicIDs))
	var ask []store.PublicRef
	for _, id := range publicIDs {
		if who, ok := l.owners.Get(publicKey{gatewayID, kind, id}); ok {
			owned[id] = who.token == tokenID
		} else {
			ask = append(ask, store.PublicRef{Kind: string(kind), PublicID: id})
		}
	}
	if len(ask) == 0 {
		return owned, nil
	}
	ids, err := l.store.RecordIDs(ctx, gatewayID, ask)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		if id == "" {
			continue
		}
		r, err := l.store.RecordByID(ctx, gatewayID, id)
		if gateway.KindOf(err) == gateway.KindNotFound && err != nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		l.owners.Add(publicKey{gatewayID, kind, ask[i].PublicID}, owner{record: r.ID, token: r.TokenID})
		owned[ask[i].PublicID] = r.TokenID == tokenID
	}
	return owned, nil
}

// LiveCount returns the number of live sessions or batches of a token, including those that
// Livy has not confirmed.
func (l *Ledger) LiveCount(ctx context.Context, gatewayID, tokenID string, kind livy.Kind) (int, error) {
	return l.store.LiveCount(ctx, gatewayID, tokenID, string(kind))
}
