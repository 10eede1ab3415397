package api

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// How long what was read for overviews is good for, however many ask. What lives takes
// one command of Redis for each gateway, the rest about 16; see docs/api.md.
const (
	livingLife    = 2 * time.Second
	slowFactsLife = 30 * time.Second
	// slowFactsDue is when they are read again while callers still get the old ones: with
	// a thousand gateways they take longer than a page should wait for.
	slowFactsDue = 15 * time.Second
	factsTimeout = 10 * time.Second
)

// overviewFacts are what overviews are made of, of all gateways and for everybody. They
// are read-only.
type overviewFacts struct {
	slowFacts
	living    map[string][]*store.Record // by gateway, as the next
	attention map[string][]Attention
}

// slowFacts are read more rarely.
type slowFacts struct {
	days     []time.Time // the oldest first
	usage    map[string][]store.Usage
	created  map[store.RecordSource][]int64 // of whole gateways, by day
	expiring []*tokens.Token
	labels   map[string]tokenLabel       // by token
	refused  map[string]map[string]int64 // by gateway and day; nil if not known
}

// overviews keeps the facts for a moment.
type overviews struct {
	mu         sync.Mutex
	facts      *overviewFacts
	at, slowAt time.Time     // when they were read
	ahead      chan slowRead // has what was read ahead; nil if nothing is read
	refusals   refusalCounter
}

// slowRead are slow facts that were read ahead.
type slowRead struct {
	facts slowFacts
	err   error
	at    time.Time
}

func (o *overviews) read(ctx context.Context, s *Server) (*overviewFacts, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if o.facts != nil && now.Sub(o.at) < livingLife {
		return o.facts, nil
	}
	// Whoever asked may go away: the answer is for others too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), factsTimeout)
	defer cancel()
	all, err := s.Manager.Snapshot()
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(all))
	for i, g := range all {
		ids[i] = g.ID
	}
	next := &overviewFacts{attention: make(map[string][]Attention)}
	if next.living, err = s.Store.LivingOf(ctx, ids); err != nil {
		return nil, err
	}
	for _, g := range all {
		next.attention[g.ID] = s.attentionTo(g)
	}
	if next.slowFacts, err = o.slow(ctx, s, ids, now); err != nil {
		return nil, err
	}
	o.facts, o.at = next, time.Now()
	return next, nil
}

// slow returns the slow facts, and reads them ahead when they are due.
func (o *overviews) slow(ctx context.Context, s *Server, ids []string, now time.Time) (slowFacts, error) {
	select {
	case r := <-o.ahead:
		o.ahead = nil
		if r.err == nil && now.Sub(r.at) < slowFactsLife {
			o.slowAt = r.at
			return r.facts, nil
		}
	default:
	}
	if o.facts == nil || now.Sub(o.slowAt) >= slowFactsLife {
		f, err := s.readSlowFacts(ctx, ids, now)
		if err == nil {
			o.slowAt = time.Now()
		}
		return f, err
	}
	if o.ahead == nil && now.Sub(o.slowAt) >= slowFactsDue {
		ahead := make(chan slowRead, 1)
		o.ahead = ahead
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), factsTimeout)
			defer cancel()
			f, err := s.readSlowFacts(ctx, ids, now)
			ahead <- slowRead{f, err, time.Now()}
		}()
	}
	return o.facts.slowFacts, nil
}

// attentionTo lists what somebody should look at of a gateway.
func (s *Server) attentionTo(g *gateway.Gateway) (list []Attention) {
	add := func(kind, message string) {
		list = append(list, Attention{kind, Place{g.Workspace, g.Spec.Name}, message})
	}
	if g.Status.State == gateway.StateError {
		add(attentionError, gateway.MaskSecrets(g.Status.Reason))
	}
	if e, err := s.Manager.Lookup(g.Workspace, g.ID); err == nil && e.PolicyError != nil {
		add(attentionError, "refuses all creates because its policy cannot be compiled: "+e.PolicyError.Error())
	}
	if pending := s.Manager.RestartNeeded(g); len(pending) > 0 {
		add(attentionRestart, "has changes that take effect after a restart: "+strings.Join(pending, ", "))
	}
	for _, f := range s.Manager.Findings(g) {
		add(attentionFinding, f.Text)
	}
	return list
}

func (s *Server) readSlowFacts(ctx context.Context, ids []string, now time.Time) (f slowFacts, err error) {
	today := now.UTC().Truncate(24 * time.Hour)
	for i := overviewDays - 1; i >= 0; i-- {
		f.days = append(f.days, today.AddDate(0, 0, -i))
	}
	if f.usage, err = s.Store.UsageOf(ctx, ids, f.days[0].Format(time.DateOnly)); err != nil {
		return f, err
	}
	sources := make([]store.RecordSource, len(ids))
	for i, id := range ids {
		sources[i].GatewayID = id
	}
	if f.created, err = s.Store.CreatedPerDay(ctx, sources, f.days); err != nil {
		return f, err
	}
	refs, err := s.Store.TokenRefs(ctx, ids)
	if err != nil {
		return f, err
	}
	tokenIDs := make([]string, len(refs))
	for i, ref := range refs {
		tokenIDs[i] = ref.ID
	}
	all, err := s.Tokens.ByID(ctx, tokenIDs)
	f.labels = make(map[string]tokenLabel, len(all))
	for _, t := range all {
		f.labels[t.ID] = labelOf(t)
		if t.State(now) == "active" && t.ExpiresAt.Sub(now) < tokens.ExpiresSoon {
			f.expiring = append(f.expiring, t)
		}
	}
	f.refused = s.overviews.refusals.read(ctx, s.Store, f.days[0])
	return f, err
}
