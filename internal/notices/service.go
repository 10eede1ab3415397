package notices

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// maxQueued bounds the notices that wait in memory until they are in Redis, and those of each
// webhook that wait in Redis.
const (
	maxQueued  = 256
	maxWaiting = 1000
)

// retryStore is the pause before a notice is stored again after Redis could not be reached.
const retryStore = time.Second

// Options are what a Service works with.
type Options struct {
	Store  *store.Store
	Logger *zap.Logger
	Now    func() time.Time
	Rand   io.Reader
	// Emit emits Caddy's event for a notice, on the instance that reported it first.
	Emit func(n *Notice)
	// HTTP is the client for webhooks. Default: one that follows no redirects.
	HTTP *http.Client
}

// Service reports notices. Its methods are safe for concurrent use.
type Service struct {
	Options
	hooks  atomic.Pointer[[]Webhook]
	queue  chan Notice
	wake   chan struct{} // signals that something is to be delivered
	counts Counts
}

// Counts counts what became of notices on this instance.
type Counts struct {
	Delivered, Failed, Dropped atomic.Int64
}

// New returns a service without webhooks.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	s := &Service{Options: o, queue: make(chan Notice, maxQueued), wake: make(chan struct{}, 1)}
	s.hooks.Store(new([]Webhook))
	return s
}

// Configure puts webhooks into force, and returns the previous ones.
func (s *Service) Configure(hooks []Webhook) (before []Webhook) { return *s.hooks.Swap(&hooks) }

// Counts returns what became of notices on this instance.
func (s *Service) Counts() *Counts { return &s.counts }

// Report queues a notice. It does not block.
func (s *Service) Report(n Notice) {
	select {
	case s.queue <- n:
	default:
		s.counts.Dropped.Add(1)
		s.Logger.Warn("a notice was dropped: too many wait for Redis", zap.String("event", n.Event), zap.String("text", n.Text))
	}
}

// Run stores notices and delivers them, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var delivering sync.WaitGroup
	delivering.Go(func() { s.deliver(ctx) })
	defer delivering.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-s.queue:
			for s.add(ctx, n) != nil && ctx.Err() == nil {
				select {
				case <-ctx.Done():
				case <-time.After(retryStore):
				}
			}
		}
	}
}

// add stores a notice for delivery, unless it was reported before. It fails only if Redis cannot
// be reached.
func (s *Service) add(ctx context.Context, n Notice) error {
	id, err := gateway.NewID("notice-", s.Rand)
	if err != nil {
		s.Logger.Error("cannot name a notice", zap.Error(err))
		return nil
	}
	n.ID, n.Time = id, s.Now().UTC().Truncate(time.Millisecond)
	doc, err := json.Marshal(n)
	if err != nil {
		s.Logger.Error("cannot encode a notice", zap.Error(err))
		return nil
	}
	var hooks []string
	for _, w := range *s.hooks.Load() {
		if w.wants(n.Event) {
			hooks = append(hooks, w.URL)
		}
	}
	isNew, dropped, err := s.Store.AddNotice(ctx, store.Notice{
		Key: n.key, ID: n.ID, Doc: string(doc), Life: n.remembered(),
	}, hooks, s.Now(), maxWaiting)
	if gateway.KindOf(err) == gateway.KindUnavailable && err != nil {
		return err
	}
	if err != nil {
		s.Logger.Error("cannot report", zap.String("event", n.Event), zap.Error(err))
		return nil
	}
	if dropped > 0 {
		s.counts.Dropped.Add(int64(dropped))
		s.Logger.Warn("notices for a webhook were dropped: too many wait", zap.Int("dropped", dropped))
	}
	if !isNew {
		return nil
	}
	s.Logger.Warn("notice: "+n.Text, zap.String("event", n.Event), zap.String("notice", n.ID))
	if s.Emit != nil {
		s.Emit(&n)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}
