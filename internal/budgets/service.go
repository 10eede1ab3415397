package budgets

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/policies"
)

// Settings are the budgets and quotas of a configuration.
type Settings struct {
	Budgets []Budget
	Quotas  []Quota
}

// Validate checks all of them.
func (s *Settings) Validate() error {
	names := make([]string, len(s.Budgets))
	for i := range s.Budgets {
		names[i] = s.Budgets[i].Name
	}
	if err := gateway.ValidateNames("budget", names); err != nil {
		return err
	}
	names = make([]string, len(s.Quotas))
	for i := range s.Quotas {
		names[i] = s.Quotas[i].Name
	}
	if err := gateway.ValidateNames("quota", names); err != nil {
		return err
	}
	for i := range s.Budgets {
		if err := s.Budgets[i].Validate(); err != nil {
			return err
		}
	}
	for i := range s.Quotas {
		if err := s.Quotas[i].Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Options are what a Service works with.
type Options struct {
	Store  *store.Store
	Logger *zap.Logger
	Now    func() time.Time
	// Gateways lists all gateways. It fails until they are known.
	Gateways func() ([]*gateway.Gateway, error)
	// Tokens returns all tokens of gateways, by id. Default: none are known.
	Tokens func(ctx context.Context, gatewayIDs []string) (map[string]Token, error)
	// Stop ends a session or batch, for on_exceed stop, if this instance supervises its gateway.
	Stop func(ctx context.Context, r *store.Record, reason string) error
	// Report reports that a bound was reached. It is called again and again while it is, with
	// the same key.
	Report func(ctx context.Context, key string, b Breach)
	// Interval is the pause between two looks at what runs. Default 15 seconds.
	Interval time.Duration
}

// Token is what budgets need to know of a token.
type Token struct{ Name, User, GatewayID string }

// Service checks creates against budgets and quotas, and watches what runs. Its methods are safe
// for concurrent use.
type Service struct {
	Options
	settings atomic.Pointer[Settings]
	refusals sync.Map                   // *atomic.Int64 by kind and name
	last     atomic.Pointer[[]Standing] // what Run found last
	current  atomic.Pointer[look]       // what Current found last
	looks    singleflight.Group
	reached  chan store.Reached
}

// maxReached bounds what waits for being reported.
const maxReached = 256

// New returns a service without budgets.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Interval == 0 {
		o.Interval = 15 * time.Second
	}
	if o.Tokens == nil {
		o.Tokens = func(context.Context, []string) (map[string]Token, error) { return nil, nil }
	}
	s := &Service{Options: o, reached: make(chan store.Reached, maxReached)}
	s.settings.Store(new(Settings))
	return s
}

// Configure puts settings into force, and returns the previous ones.
func (s *Service) Configure(settings Settings) (before Settings) {
	return *s.settings.Swap(&settings)
}

// Settings returns the settings in force.
func (s *Service) Settings() Settings { return *s.settings.Load() }

// Create is a create that is about to be sent.
type Create struct {
	Gateway                  *gateway.Gateway
	Kind                     string
	TokenID, TokenName, User string
	Effective                *policies.Effective
}

// account returns whom a budget is counted for in a create, and its names for patterns.
func (c *Create) account(per string) (a store.Account, names []string) {
	switch per {
	case store.PerToken:
		return store.Account{Per: per, Name: c.TokenID}, []string{c.TokenID, c.TokenName}
	case store.PerUser:
		return store.Account{Per: per, Name: c.User}, []string{c.User}
	case store.PerGateway:
		return store.Account{Per: per, Name: c.Gateway.ID}, []string{c.Gateway.Ref()}
	default:
		return store.Account{Per: per, Name: c.Gateway.Workspace}, []string{c.Gateway.Workspace}
	}
}

// Limits returns the limits for a create, nil if there are none. It fails with KindInvalid if a
// quota forbids what the create asks for.
func (s *Service) Limits(c *Create) (*store.Limits, error) {
	settings := s.settings.Load()
	if len(settings.Budgets)+len(settings.Quotas) == 0 {
		return nil, nil
	}
	now := s.Now()
	l := &store.Limits{Now: now}
	for i := range settings.Quotas {
		q := &settings.Quotas[i]
		if !matches(q.Match, c.User) {
			continue
		}
		if err := q.check(c.Effective); err != nil {
			s.countRefusal("quota", q.Name)
			return nil, err
		}
		most := q.MaxSessions
		if c.Kind == "batch" {
			most = q.MaxBatches
		}
		if most > 0 && c.User != "" {
			l.Counts = append(l.Counts, store.CountCheck{
				Quota: q.Name, Account: store.Account{Per: store.PerUser, Name: c.User}, Kind: c.Kind, Limit: most,
			})
		}
	}
	for i := range settings.Budgets {
		b := &settings.Budgets[i]
		account, names := c.account(b.Per)
		if account.Name == "" || !matches(b.Match, names...) {
			continue
		}
		span := SpanOf(b.Period, now)
		l.Budgets = append(l.Budgets, store.BudgetCheck{
			Budget: b.Name, Account: account, Period: span.Name, From: span.From, Reserve: b.reserve(),
			Soft: b.bound(soft), Hard: b.bound(hard),
		})
	}
	return l, nil
}

// Began takes note of the soft bounds that a create reached, and returns their header.
func (s *Service) Began(reached []store.Reached) (header string) {
	for i := range reached {
		s.note(reached[i])
	}
	return s.header(reached)
}

// Explain returns the error for clients of a create that was not begun. Others than those of
// limits stay as they are.
func (s *Service) Explain(err error) error {
	if over, ok := errors.AsType[*store.BudgetError](err); ok {
		s.countRefusal("budget", over.Budget)
		s.note(over.Reached)
		return s.exceeded(over)
	}
	if over, ok := errors.AsType[*store.CountError](err); ok {
		s.countRefusal("quota", over.Quota)
		return gateway.Errorf(gateway.KindLimited, "user %s is limited to %s at a time, by the quota %s, and has reached that; end one first",
			over.Name, gateway.Count(over.Limit, over.Kind), over.Quota)
	}
	return err
}

// note has a bound reported by Run, so that no client waits for it.
func (s *Service) note(r store.Reached) {
	select {
	case s.reached <- r:
	default: // Run finds it too
	}
}

func (s *Service) countRefusal(kind, name string) {
	n, _ := s.refusals.LoadOrStore([2]string{kind, name}, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

// Refusals returns how many creates each budget and quota in force refused on this instance.
func (s *Service) Refusals() map[[2]string]int64 {
	settings, all := s.settings.Load(), make(map[[2]string]int64)
	for i := range settings.Budgets {
		all[[2]string{"budget", settings.Budgets[i].Name}] = 0
	}
	for i := range settings.Quotas {
		all[[2]string{"quota", settings.Quotas[i].Name}] = 0
	}
	for key := range all {
		if n, ok := s.refusals.Load(key); ok {
			all[key] = n.(*atomic.Int64).Load()
		}
	}
	return all
}
