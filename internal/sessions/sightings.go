package sessions

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// Sighting is the state of a session or batch in a reply that passed by.
type Sighting struct {
	Gateway  *gateway.Gateway
	Kind     livy.Kind
	PublicID int64
	State    string
	// AppID is the application's id, where the reply tells it.
	AppID string
}

// sightingsKept bounds how many sightings wait to be written down: what does not
// fit is left to the next poll.
const sightingsKept = 1000

// KnowsState says whether it is known that something is in this state. It asks
// nobody.
func (l *Ledger) KnowsState(gatewayID string, kind livy.Kind, publicID int64, state string) bool {
	known, _ := l.states.Get(publicKey{gatewayID, kind, publicID})
	return known == state
}

// Saw takes a state from a reply to a client; it is written down in the
// background, by Run. How something ended is for Poll to find out, which asks
// for its log too: then Saw returns true, once, and Poll should be called soon.
func (l *Ledger) Saw(s Sighting) (ended bool) {
	k := publicKey{s.Gateway.ID, s.Kind, s.PublicID}
	l.states.Add(k, s.State)
	if livy.Finished(s.State) {
		return true
	}
	select {
	case l.sightings <- s:
	default:
		l.states.Remove(k)
	}
	return false
}

// noteSighting writes down what a reply told, unless more is known by now.
func (l *Ledger) noteSighting(ctx context.Context, s Sighting) {
	at := l.now().UTC()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := l.change(ctx, s.Gateway.ID,
		func(ctx context.Context) (*store.Record, error) {
			return l.store.Record(ctx, s.Gateway.ID, string(s.Kind), s.PublicID)
		},
		func(r *store.Record) bool {
			if !r.Live() || r.Epoch != s.Gateway.Status.Epoch || r.State == s.State && (s.AppID == "" || r.AppID == s.AppID) {
				return false
			}
			r.State, r.Updated = s.State, at
			if s.AppID != "" {
				r.AppID = s.AppID
			}
			if running(s.State) && r.Started.IsZero() {
				r.Started = at
			}
			return true
		})
	if err != nil && gateway.KindOf(err) != gateway.KindNotFound {
		l.states.Remove(publicKey{s.Gateway.ID, s.Kind, s.PublicID}) // the next poll, or the next reply
		l.logger.Debug("writing down a state", zap.String("gateway", s.Gateway.ID), zap.Error(err))
	}
}
