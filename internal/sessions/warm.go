package sessions

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// ErrWarmGone means that a warm session was handed over to somebody else, or is being replaced.
var ErrWarmGone = errors.New("the warm session is gone")

// WarmSession is what a create takes over.
type WarmSession struct {
	Entry *store.Warm
	// AppID is the application's id as Livy shows it.
	AppID string
	Shown *store.ShownWarm
	// Reply is the reply to the create.
	Reply KeptReply
}

// HandOver makes a warm session that of a create, whose ID is the id of the warm session. It is
// one step in Redis: afterwards, the session belongs to the token, also if this process ends. It
// fails as Begin does, with ErrWarmGone, and with store.ErrNameTaken.
func (l *Ledger) HandOver(ctx context.Context, in Intent, w WarmSession) ([]store.Reached, error) {
	if err := l.flush(ctx); err != nil { // the limits depend on earlier changes
		return nil, err
	}
	if l.isReplaced(in.Gateway) || w.Entry.Epoch != in.Gateway.Status.Epoch {
		return nil, ErrWarmGone
	}
	r, err := l.newRecord(&in)
	if err != nil {
		return nil, err
	}
	r.LivyID, r.PublicID = w.Entry.LivyID, Base(in.Gateway, in.Kind)+w.Entry.LivyID
	r.State, r.AppID, r.Started = "idle", w.AppID, r.Created
	r.Warm, r.Shown = true, w.Shown
	if r.Name != w.Entry.ID {
		r.LivyName = w.Entry.ID
	}
	c := &Create{l: l, g: in.Gateway, record: r, repeat: in.Repeat}
	var rep *store.Repetition
	if in.Repeat != nil {
		value, err := json.Marshal(kept{Record: r.ID, Body: in.Repeat.Body, Reply: &w.Reply})
		if err != nil {
			return nil, err
		}
		rep = &store.Repetition{Key: in.Repeat.key(), Value: string(value), Life: RepeatLife}
	}
	reached, err := l.store.HandOver(ctx, w.Entry, r, in.MaxLive, rep, in.Limits)
	var repeated *store.RepeatedError
	switch {
	case errors.As(err, &repeated):
		if err := l.answerToRepetition(ctx, c, repeated.Value); err != nil {
			return nil, err
		}
		return nil, ErrWarmGone // the first create is in progress: Begin waits for it
	case isChanged(err):
		return nil, ErrWarmGone
	case err != nil:
		return nil, err
	}
	k := publicKey{r.GatewayID, in.Kind, r.PublicID}
	l.owners.Add(k, owner{record: r.ID, token: r.TokenID})
	l.states.Add(k, r.State)
	l.keepExtra(r)
	l.names.forget(r.GatewayID)
	return reached, nil
}

// WarmSessions returns the warm sessions of a gateway.
func (l *Ledger) WarmSessions(ctx context.Context, gatewayID string) ([]*store.Warm, error) {
	return l.store.Warm(ctx, gatewayID)
}

// Hidden returns which of the sessions with public ids on a gateway's server are warm: clients
// must not see them.
func (l *Ledger) Hidden(ctx context.Context, g *gateway.Gateway, publicIDs ...int64) (map[int64]bool, error) {
	if !g.Status.Warmed {
		return nil, nil
	}
	var unknown []int64
	for _, id := range publicIDs {
		if !l.owners.Contains(publicKey{g.ID, livy.KindSession, id}) {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) == 0 {
		return nil, nil
	}
	// The warm sessions are read first: what is handed over meanwhile has a record then.
	warm, err := l.store.Warm(ctx, g.ID)
	if err != nil {
		return nil, err
	}
	if _, err := l.Owned(ctx, g.ID, "", livy.KindSession, unknown); err != nil { // fills the cache
		return nil, err
	}
	hidden := make(map[int64]bool)
	for _, w := range warm {
		if w.Epoch != g.Status.Epoch {
			continue
		}
		for _, id := range unknown {
			// The id of one that is being started is not known yet.
			same := w.LivyID < 0 || Base(g, livy.KindSession)+w.LivyID == id
			if same && !l.owners.Contains(publicKey{g.ID, livy.KindSession, id}) {
				hidden[id] = true
			}
		}
	}
	return hidden, nil
}

// dropWarm removes the warm sessions of a server that has ended, and of servers that the gateway
// has no more. None of them can be handed over afterwards.
func (l *Ledger) dropWarm(ctx context.Context, f store.Fence, g *gateway.Gateway) error {
	if !g.Status.Warmed {
		return nil
	}
	warm, err := l.store.Warm(ctx, g.ID)
	if err != nil {
		return err
	}
	for _, w := range warm {
		if w.Epoch != g.Status.Epoch && g.Status.Serves(w.Epoch) {
			continue
		}
		if err := l.store.DropWarm(ctx, f, w, g.Workspace, l.now()); err != nil && !isChanged(err) {
			return err
		}
	}
	return nil
}

// warmNames adds the names in Livy of a gateway's warm sessions to names.
func (l *Ledger) warmNames(ctx context.Context, g *gateway.Gateway, names map[string]bool) error {
	if !g.Status.Warmed {
		return nil
	}
	warm, err := l.store.Warm(ctx, g.ID)
	for _, w := range warm {
		names[w.ID] = true
	}
	return err
}
