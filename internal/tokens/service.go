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

// Rows is where tokens are kept; *store.Store is one. Its methods are described
// there.
type Rows interface {
	CreateToken(ctx context.Context, row *store.TokenRow, w store.Write) error
	UpdateToken(ctx context.Context, row *store.TokenRow, w store.Write) error
	RevokeToken(ctx context.Context, gatewayID, id string, now time.Time, w store.Write) error
	Token(ctx context.Context, id string) (*store.TokenRow, error)
	TokenBySecret(ctx context.Context, sum string) (*store.TokenRow, error)
	Tokens(ctx context.Context, gatewayID string) ([]*store.TokenRow, error)
	TokensByID(ctx context.Context, ids []string) ([]*store.TokenRow, error)
	OwnedTokens(ctx context.Context, owner string) ([]*store.TokenRow, error)
	TouchTokens(ctx context.Context, touches []store.TokenTouch) error
	Watch(ctx context.Context, handler func(store.Event))
}

var _ Rows = (*store.Store)(nil)

// Options of a Service. Zero values mean the defaults.
type Options struct {
	// Clock tells the time. Default time.Now.
	Clock func() time.Time
	// Rand is where ids and secrets come from. Default crypto/rand.Reader.
	Rand io.Reader
	// MaxLifetime is the longest life a token may be given. Default no limit.
	MaxLifetime time.Duration
	// Grace is how long after it was last verified a token goes on to be good
	// for GET and HEAD while Redis cannot be reached. It is the one bound on
	// revocation beyond a second, and only on an instance that is cut off from
	// Redis. Default 60 s; negative turns it off.
	Grace time.Duration
	// WaitBudget is how long a request waits for a Redis that does not answer.
	// Default 3 s.
	WaitBudget time.Duration
	// MaxWaiters is how many requests may wait at a time; more are answered at
	// once. Default 512.
	MaxWaiters int
	// CacheSize is how many secrets are remembered, good ones and unknown ones
	// each. Default 10,000.
	CacheSize int
	// FailureBurst and FailuresPerSecond limit the wrong tokens from one address
	// (of IPv6, one /64). Defaults 20 and 1; a negative burst turns the limit off.
	FailureBurst      int
	FailuresPerSecond float64
	// FlushEvery is how often the use of tokens is written to Redis. Default 1
	// minute.
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

// Service mints, verifies and revokes tokens. It is safe for concurrent use.
type Service struct {
	o    Options
	rows Rows
	log  *zap.Logger

	cache    *cache
	failures *failures
	flights  singleflight.Group
	waiters  chan struct{}
	// cutOff is true from when a request waited in vain until Redis answers again.
	cutOff atomic.Bool
	stats  counters
}

// New makes a service. It works without Run, but then hears of no changes that
// other instances make (their effect is up to a second late) and records no use.
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

// Run hears of changes and writes the use of tokens down, until ctx ends. Use
// that is not written by then is written last.
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

// heard is told of every change in the store.
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
	Lookups       int64 // questions to Redis
	NegativeHits  int64 // refused from the cache
	LookupErrors  int64 // questions that Redis did not answer
	Grace         int64 // requests let through while Redis was away
	Unavailable   int64 // requests refused because Redis was away
	Refused       int64 // requests refused for other reasons
	Invalidations int64 // changes heard of
	Resyncs       int64 // times that changes may have been missed
	Entries       int   // good secrets in the cache
	Waiting       int   // requests that wait for Redis
	CutOff        bool  // Redis has not answered for WaitBudget
}

type counters struct {
	hits, lookups, negative, lookupErrors, grace, unavailable, refused, invalidations, resyncs atomic.Int64
}

// Stats returns the present counts.
func (s *Service) Stats() Stats {
	c := &s.stats
	return Stats{
		Hits: c.hits.Load(), Lookups: c.lookups.Load(), NegativeHits: c.negative.Load(),
		LookupErrors: c.lookupErrors.Load(), Grace: c.grace.Load(), Unavailable: c.unavailable.Load(),
		Refused: c.refused.Load(), Invalidations: c.invalidations.Load(), Resyncs: c.resyncs.Load(),
		Entries: s.cache.len(), Waiting: len(s.waiters), CutOff: s.cutOff.Load(),
	}
}
