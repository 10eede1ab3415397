package sessions

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// ObservedState is the state of a session or batch as a reply to a client shows it.
type ObservedState struct {
	Gateway  *gateway.Gateway
	Kind     livy.Kind
	PublicID int64
	State    string
	// AppID is the application's id, if the reply contains it.
	AppID string
}

// maxObserved bounds the number of observed states that wait to be stored; the next poll
// finds those that do not fit.
const maxObserved = 1000

// KnowsState reports whether a session or batch was last observed in this state. It does no
// I/O.
func (l *Ledger) KnowsState(gatewayID string, kind livy.Kind, publicID int64, state []byte) bool {
	known, _ := l.states.Get(publicKey{gatewayID, kind, publicID})
	return known == string(state)
}

// ObserveState takes a state from a reply to a client; Run stores it in the
// background. Final states are left to Poll, which also fetches the log: then
// ObserveState returns true, once, and Poll should be called soon.
func (l *Ledger) ObserveState(s ObservedState) (ended bool) {
	k := publicKey{s.Gateway.ID, s.Kind, s.PublicID}
	l.states.Add(k, s.State)
	if livy.Finished(s.State) {
		return true
	}
	select {
	case l.observed <- s:
	default:
		l.states.Remove(k)
	}
	return false
}

// saveObserved stores an observed state, unless a newer one has been stored.
func (l *Ledger) saveObserved(ctx context.Context, s ObservedState) {
	at := l.now().UTC()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := l.change(ctx, s.Gateway.ID,
		func(ctx context.Context) (*store.Record, error) {
			return l.store.Record(ctx, s.Gateway.ID, string(s.Kind), s.PublicID)
		},
		func(r *store.Record) bool {
			if !r.Live() || r.Epoch != s.Gateway.Status.Epoch ||
				r.State == s.State && (s.AppID == "" || r.AppID == s.AppID) {
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
		l.states.Remove(publicKey{s.Gateway.ID, s.Kind, s.PublicID}) // the next poll or reply sets it again
		l.logger.Debug("cannot store an observed state", zap.String("gateway", s.Gateway.ID), zap.Error(err))
	}
}

// SetApp records the application of a live session or batch that Livy itself does not know.
func (l *Ledger) SetApp(ctx context.Context, gatewayID, recordID, app string) {
	at := l.now().UTC()
	err := l.change(ctx, gatewayID,
		func(ctx context.Context) (*store.Record, error) { return l.store.RecordByID(ctx, gatewayID, recordID) },
		func(r *store.Record) bool {
			if !r.Live() || r.AppID != "" {
				return false
			}
			r.AppID, r.Updated = app, at
			return true
		})
	if err != nil && gateway.KindOf(err) != gateway.KindNotFound { // the next look at the pods tries again
		l.logger.Debug("cannot store an application's id", zap.String("gateway", gatewayID), zap.Error(err))
	}
}

// AddLog adds lines, under a heading, to the log of a session or batch that has ended, once.
func (l *Ledger) AddLog(ctx context.Context, gatewayID, recordID, heading string, lines []string) {
	if len(lines) == 0 {
		return
	}
	added := boundLines(append([]string{heading}, lines...))
	err := l.change(ctx, gatewayID,
		func(ctx context.Context) (*store.Record, error) { return l.store.RecordByID(ctx, gatewayID, recordID) },
		func(r *store.Record) bool {
			if r.Live() || slices.Contains(r.Log, added[0]) {
				return false
			}
			r.Log = slices.Concat(r.Log, added)
			return true
		})
	if err != nil && gateway.KindOf(err) != gateway.KindNotFound {
		l.logger.Debug("cannot store a driver's log", zap.String("gateway", gatewayID), zap.Error(err))
	}
}

// boundLines returns lines that a record can hold.
func boundLines(lines []string) []string {
	for i, line := range lines {
		lines[i] = strings.ToValidUTF8(line[:min(len(line), lastLine)], "")
	}
	return lines
}
