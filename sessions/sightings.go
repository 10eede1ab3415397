package sessions

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/livy"
	"github.com/livygateway/livygateway/store"
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

// statesKept bounds the memory of states; when it is full it begins anew.
// sightingsKept bounds how many sightings wait to be written down: what does not
// fit is left to the next poll.
const (
	statesKept    = 100_000
	sightingsKept = 1000
)

// states remembers in which state something was last seen, so that a reply that
// tells nothing new costs nothing. The zero value is ready.
type states struct {
	mu    sync.RWMutex
	known map[ownerKey]string
}

// is says whether a state is the one last seen.
func (s *states) is(k ownerKey, state string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.known[k] == state
}

func (s *states) put(k ownerKey, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= statesKept {
		s.known = make(map[ownerKey]string)
	}
	s.known[k] = state
}

func (s *states) forget(k ownerKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, k)
}

// KnowsState says whether it is known that something is in this state. It asks
// nobody.
func (l *Ledger) KnowsState(gatewayID string, kind livy.Kind, publicID int64, state string) bool {
	return l.states.is(ownerKey{gatewayID, kind, publicID}, state)
}

// Saw takes a state from a reply to a client; it is written down in the
// background, by Run. How something ended is for Poll to find out, which asks
// for its log too: then Saw returns true, once, and Poll should be called soon.
func (l *Ledger) Saw(s Sighting) (ended bool) {
	k := ownerKey{s.Gateway.ID, s.Kind, s.PublicID}
	l.states.put(k, s.State)
	if livy.Finished(s.State) {
		return true
	}
	select {
	case l.sightings <- s:
	default:
		l.states.forget(k)
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
		l.states.forget(ownerKey{s.Gateway.ID, s.Kind, s.PublicID}) // the next poll, or the next reply
		l.logger.Debug("writing down a state", zap.String("gateway", s.Gateway.ID), zap.Error(err))
	}
}
