package sessions

import (
	"context"
	"sync"

	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/livy"
	"github.com/livygateway/livygateway/store"
)

// owner is whose a session or batch is. It never changes, so it is remembered
// without asking again.
type owner struct{ record, token string }

// ownersKept bounds the memory of owners; when it is full it begins anew.
const ownersKept = 100_000

// owners remembers who created what. The zero value is ready.
type owners struct {
	mu    sync.RWMutex
	known map[ownerKey]owner
}

type ownerKey struct {
	gatewayID string
	kind      livy.Kind
	publicID  int64
}

func (o *owners) get(gatewayID string, kind livy.Kind, publicID int64) (owner, bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	who, ok := o.known[ownerKey{gatewayID, kind, publicID}]
	return who, ok
}

func (o *owners) put(gatewayID string, kind livy.Kind, publicID int64, who owner) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil || len(o.known) >= ownersKept {
		o.known = make(map[ownerKey]owner)
	}
	o.known[ownerKey{gatewayID, kind, publicID}] = who
}

func (o *owners) forget(gatewayID string, kind livy.Kind, publicID int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.known, ownerKey{gatewayID, kind, publicID})
}

// Owns says whether a token created the session or batch with a public id.
func (l *Ledger) Owns(ctx context.Context, gatewayID, tokenID string, kind livy.Kind, publicID int64) (bool, error) {
	owned, err := l.Owned(ctx, gatewayID, tokenID, kind, []int64{publicID})
	return err == nil && owned[publicID], err
}

// Owned says which of the sessions or batches a token created. What is not
// remembered is asked of Redis once.
func (l *Ledger) Owned(ctx context.Context, gatewayID, tokenID string, kind livy.Kind, publicIDs []int64) (map[int64]bool, error) {
	owned := make(map[int64]bool, len(publicIDs))
	var ask []store.PublicRef
	for _, id := range publicIDs {
		if who, ok := l.owners.get(gatewayID, kind, id); ok {
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
		l.owners.put(gatewayID, kind, ask[i].PublicID, owner{record: r.ID, token: r.TokenID})
		owned[ask[i].PublicID] = r.TokenID == tokenID
	}
	return owned, nil
}

// LiveCount counts the sessions or batches of a token that have not ended, those
// that Livy has not confirmed included.
func (l *Ledger) LiveCount(ctx context.Context, gatewayID, tokenID string, kind livy.Kind) (int, error) {
	return l.store.LiveCount(ctx, gatewayID, tokenID, string(kind))
}
