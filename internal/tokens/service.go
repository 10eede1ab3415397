package tokens

import (
	"context"
	"crypto/rand"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// Rows stores tokens. It is implemented by *store.Store, which documents the methods.
type Rows interface {
	CreateToken(ctx context.Context, row *store.TokenRow, w store.Write) error
	UpdateToken(ctx context.Context, row *store.TokenRow, w store.Write) error
	RevokeToken(ctx context.Context, gatewayID, id string, now time.Time, w store.Write) error
	Token(ctx context.Context, id string) (*store.TokenRow, error)
	TokenBySecret(ctx context.Context, sum string) (*store.TokenRow, error)
	Tokens(ctx context.Context, gatewayID string) ([]*store.TokenRow, error)
	RevokedTokens(ctx context.Context, gatewayID string) ([]*store.TokenRow, error)
	TokensByID(ctx context.Context, ids []string) ([]*store.TokenRow, error)
	OwnedTokens(ctx context.Context, owner string) ([]*store.TokenRow, error)
	TouchTokens(ctx context.Context, touches []store.TokenTouch) error
	Watch(ctx context.Context, handler func(store.Event))
}

var _ Rows = (*store.Store)(nil)

// Options are the options of a Service. Zero values mean the defaults.
type Options struct {
	// Clock returns the current time. Default time.Now.
	Clock func() time.Time
	// Rand is the source of ids and secrets. Default crypto/rand.Reader.
	Rand io.Reader
	// MaxLifetime bounds the lifetime of tokens. Default no limit.
	MaxLifetime time.Duration
	// Grace is how long a verified token stays valid for GET and HEAD while Redis is
	// unreachable. It is the only case in which a revocation takes longer than a second,
	// and only on an instance that is cut off from Redis. Default 60 s; negative turns it
	// off.
	Grace time.Duration
	// WaitBudget bounds how long a request waits for Redis. Default 3 s.
	WaitBudget time.Duration
	// MaxWaiters bounds the number of waiting requests; further ones fail at once. Default
	// 512.
	MaxWaiters int
	// CacheSize bounds the number of cached secrets, valid and unknown ones separately.
	// Default 10,000.
	CacheSize int
	// FailureBurst and FailuresPerSecond limit the wrong tokens from one address
	// (of IPv6, one /64). Defaults 20 and 1; a negative burst turns the limit off.
	FailureBurst      int
	FailuresPerSecond float64
	// FlushEvery is the pause between two writes of token usage to Redis. Default 1 minute.
	FlushEvery time.Duration
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Grace == 0 {
		o.Grace = gateway.DefaultTokenGrace
	}
	if o.WaitBudget == 0 {
		o.WaitBudget = 3 * time.Second
	}
	if o.MaxWaiters == 0 {
		o.MaxWaiters = 512
	}
	if o.CacheSize == 0 {
		o.CacheSize = 10_000
	}
	if o.FailureBurst == 0 {
		o.FailureBurst = 20
	}
	if o.FailuresPerSecond == 0 {
		o.FailuresPerSecond = 1
	}
	if o.FlushEvery == 0 {
		o.FlushEvery = time.Minute
	}
	return o
}

// Service creates, verifies and revokes tokens. It is safe for concurrent use.
type Service struct {
	o    Options
	rows Rows
	log  *zap.Logger

	cache    *cache
	failures *failures
	flights  singleflight.Group
	waiters  chan struct{}
	// cutOff is true from when a request has waited in vain until Redis answers again.
	cutOff atomic.Bool
	stats  counters
}

// New returns a service. Without Run it works, but it receives no change events of other
// instances (their changes take effect up to a second late) and records no usage.
func New(rows Rows, o Options, log *zap.Logger) *Service {
	o = o.withDefaults()
	if log == nil {
		log = zap.NewNop()
	}
	return &Service{
		o: o, rows: rows, log: log,
		cache:    newCache(o.CacheSize),
		failures: newFailures(o.FailureBurst, o.FailuresPerSecond, o.CacheSize),
		waiters:  make(chan struct{}, o.MaxWaiters),
	}
}

// Run receives change events and writes token usage, until ctx ends. It writes remaining usage
// before it returns.
func (s *Service) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.rows.Watch(ctx, s.heard) })
	tick := time.NewTicker(s.o.FlushEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
			s.flush(ctx)
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	s.flush(last)
	wg.Wait()
}

// heard handles a change event of the store.
func (s *Service) heard(e store.Event) {
	switch e.Topic {
	case store.TopicToken:
		s.stats.invalidations.Add(1)
		s.cache.drop(e.ID)
	case store.TopicResync:
		s.stats.resyncs.Add(1)
		s.cache.distrust()
	}
}

// Stats are counts since the start, for metrics.
type Stats struct {
	Hits          int64 // verified from the cache
	Lookups       int64 // requests to Redis
	NegativeHits  int64 // refused from the cache
	LookupErrors  int64 // failed requests to Redis
	Grace         int64 // requests accepted while Redis was unreachable
	Unavailable   int64 // requests refused because Redis was unreachable
	Refused       int64 // requests refused for other reasons
	Invalidations int64 // change events received
	Resyncs       int64 // times that changes may have been missed
	Entries       int   // valid secrets in the cache
	Waiting       int   // requests waiting for Redis
	CutOff        bool  // Redis has not answered for WaitBudget
}

type counters struct {
	hits, lookups, negative, lookupErrors, grace, unavailable, refused, invalidations, resyncs atomic.Int64
}

// Stats returns the current counts.
func (s *Service) Stats() Stats {
	c := &s.stats
	return Stats{
		Hits: c.hits.Load(), Lookups: c.lookups.Load(), NegativeHits: c.negative.Load(),
		LookupErrors: c.lookupErrors.Load(), Grace: c.grace.Load(), Unavailable: c.unavailable.Load(),
		Refused: c.refused.Load(), Invalidations: c.invalidations.Load(), Resyncs: c.resyncs.Load(),
		Entries: s.cache.len(), Waiting: len(s.waiters), CutOff: s.cutOff.Load(),
	}
}
