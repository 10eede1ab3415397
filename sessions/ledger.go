// Package sessions is the ledger: what was ever started through a gateway, by
// whom, with which resources, and what became of it.
package sessions

import (
	"context"
	"encoding/json"
	"io"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/livy"
	"github.com/livygateway/livygateway/store"
)

// StateGone is the state of what Livy no longer knows although nobody told the
// ledger how it ended, e.g. a session deleted by its own timeout.
const StateGone = "gone"

// Created says what is known when Livy has accepted a create request.
type Created struct {
	Gateway *gateway.Gateway
	Kind    livy.Kind
	LivyID  int64
	Name    string
	State   string
	AppID   string
	// Who asked.
	TokenID, TokenName, ClientAddr string
	// Resources and Policy are written down as they are.
	Resources any
	Policy    any
}

// Ledger writes records. Its methods are safe for concurrent use.
type Ledger struct {
	store  *store.Store
	logger *zap.Logger
	now    func() time.Time
	rand   io.Reader

	mu    sync.Mutex
	queue map[string][]*store.Record // records Redis has not taken yet, by gateway
}

// New returns a ledger.
func New(s *store.Store, logger *zap.Logger, now func() time.Time, rand io.Reader) *Ledger {
	return &Ledger{store: s, logger: logger, now: now, rand: rand, queue: make(map[string][]*store.Record)}
}

// Created writes down a new session or batch and returns its record. When Redis
// does not take it now it is kept and written with the next poll: the client
// has its session, whatever becomes of our books.
func (l *Ledger) Created(ctx context.Context, c Created) (*store.Record, error) {
	id, err := gateway.NewID("livy-", l.rand)
	if err != nil {
		return nil, err
	}
	now := l.now().UTC()
	r := &store.Record{
		ID: id, GatewayID: c.Gateway.ID, Kind: string(c.Kind), LivyID: c.LivyID,
		PublicID: Base(c.Gateway, c.Kind) + c.LivyID, Epoch: c.Gateway.Status.Epoch,
		Name: c.Name, State: c.State, AppID: c.AppID,
		TokenID: c.TokenID, TokenName: c.TokenName, ClientAddr: c.ClientAddr,
		Created: now, Updated: now,
	}
	if r.Resources, err = json.Marshal(c.Resources); err != nil {
		return nil, err
	}
	if r.Policy, err = json.Marshal(c.Policy); err != nil {
		return nil, err
	}
	if err := l.store.SaveRecords(ctx, c.Gateway.ID, r); err != nil {
		l.logger.Warn("keeping a record until Redis is back",
			zap.String("gateway", c.Gateway.ID), zap.String("record", r.ID), zap.Error(err))
		l.mu.Lock()
		l.queue[c.Gateway.ID] = append(l.queue[c.Gateway.ID], r)
		l.mu.Unlock()
	}
	return r, nil
}

// Base is what is added to Livy's ids of a kind to make public ids.
func Base(g *gateway.Gateway, kind livy.Kind) int64 {
	if kind == livy.KindBatch {
		return g.Status.BatchBase
	}
	return g.Status.SessionBase
}

// flush writes what Redis did not take earlier.
func (l *Ledger) flush(ctx context.Context, gatewayID string) error {
	l.mu.Lock()
	waiting := l.queue[gatewayID]
	l.mu.Unlock()
	if len(waiting) == 0 {
		return nil
	}
	if err := l.store.SaveRecords(ctx, gatewayID, waiting...); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue[gatewayID] = l.queue[gatewayID][len(waiting):]
	if len(l.queue[gatewayID]) == 0 {
		delete(l.queue, gatewayID)
	}
	return nil
}

// ServerEnded closes the records of everything that lived in the gateway's Livy
// server, because the server is no more.
func (l *Ledger) ServerEnded(ctx context.Context, g *gateway.Gateway, reason string) error {
	if err := l.flush(ctx, g.ID); err != nil {
		return err
	}
	live, err := l.store.LiveRecords(ctx, g.ID)
	if err != nil {
		return err
	}
	now := l.now().UTC()
	for _, r := range live {
		r.State, r.Reason, r.Updated, r.Ended = "dead", reason, now, now
	}
	return l.store.SaveRecords(ctx, g.ID, live...)
}

// Lister is the part of Livy's client that a poll needs.
type Lister interface {
	Sessions(ctx context.Context) ([]livy.Session, error)
	Batches(ctx context.Context) ([]livy.Batch, error)
}

// Poll brings a gateway's records up to date with Livy's own lists. It asks for
// the lists only, never for a session by its id, because that would keep
// sessions with a heartbeat timeout alive.
func (l *Ledger) Poll(ctx context.Context, g *gateway.Gateway, livyServer Lister) error {
	if err := l.flush(ctx, g.ID); err != nil {
		return err
	}
	// Records first: what is created between the two reads is in Livy's list
	// and not yet among the records, which the next poll settles.
	live, err := l.store.LiveRecords(ctx, g.ID)
	if err != nil {
		return err
	}
	ss, err := livyServer.Sessions(ctx)
	if err != nil {
		return err
	}
	bs, err := livyServer.Batches(ctx)
	if err != nil {
		return err
	}
	known := make(map[string]seen, len(ss)+len(bs))
	for i := range ss {
		known[key(livy.KindSession, ss[i].ID)] = seen{state: ss[i].State, appID: ss[i].AppID, sparkUI: ss[i].AppInfo[sparkUI]}
	}
	for i := range bs {
		known[key(livy.KindBatch, bs[i].ID)] = seen{state: bs[i].State, appID: bs[i].AppID, sparkUI: bs[i].AppInfo[sparkUI]}
	}
	now := l.now().UTC()
	var changed []*store.Record
	for _, r := range live {
		was := *r
		if r.Epoch != g.Status.Epoch {
			r.State, r.Reason, r.Ended = "dead", "its Livy server is no more", now
		} else if s, ok := known[key(livy.Kind(r.Kind), r.LivyID)]; ok {
			s.apply(r, now)
		} else {
			r.State, r.Reason, r.Ended = StateGone, "Livy no longer knows it", now
		}
		if r.State != was.State || r.AppID != was.AppID || r.SparkUI != was.SparkUI || !r.Ended.Equal(was.Ended) {
			r.Updated = now
			changed = append(changed, r)
		}
	}
	return l.store.SaveRecords(ctx, g.ID, changed...)
}

// sparkUI is where Livy's appInfo has the address of the Spark UI.
const sparkUI = "sparkUiUrl"

type seen struct{ state, appID, sparkUI string }

func (s seen) apply(r *store.Record, now time.Time) {
	r.State, r.AppID = s.state, s.appID
	if s.sparkUI != "" {
		r.SparkUI = s.sparkUI
	}
	if Ended(s.state) && r.Ended.IsZero() {
		r.Ended = now
	}
}

// Ended says whether a Livy state is a final one.
func Ended(state string) bool {
	switch state {
	case "success", "dead", "killed", "error":
		return true
	}
	return false
}

func key(kind livy.Kind, id int64) string {
	if kind == livy.KindBatch {
		return "b" + strconv.FormatInt(id, 10)
	}
	return "s" + strconv.FormatInt(id, 10)
}

// Deleted closes a record after a client deleted the session or batch.
func (l *Ledger) Deleted(ctx context.Context, g *gateway.Gateway, kind livy.Kind, publicID int64, by string) error {
	r, err := l.store.Record(ctx, g.ID, string(kind), publicID)
	if err != nil {
		if gateway.KindOf(err) == gateway.KindNotFound {
			return nil
		}
		return err
	}
	if !r.Ended.IsZero() {
		return nil
	}
	now := l.now().UTC()
	r.State, r.Reason, r.Updated, r.Ended = "killed", "deleted by token "+by, now, now
	return l.store.SaveRecords(ctx, g.ID, r)
}
