package budgets_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/policies"
)

// instance is one of several that share a Redis.
type instance struct {
	*budgets.Service
	t      *testing.T
	ledger *sessions.Ledger
	store  *store.Store
	g      *gateway.Gateway
	clock  *clock

	mu       sync.Mutex
	breaches []budgets.Breach
	stopped  []string
	tokens   map[string]budgets.Token
}

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func (c *clock) pass(d time.Duration) { c.set(c.Now().Add(d)) }

func newInstance(t *testing.T, s *store.Store, begin time.Time, settings budgets.Settings) *instance {
	t.Helper()
	i := &instance{
		t: t, store: s, clock: &clock{now: begin}, tokens: map[string]budgets.Token{},
		g: &gateway.Gateway{ID: "lc-1", Workspace: "default", Spec: gateway.Spec{Name: "etl"}, Status: gateway.Status{Epoch: 1}},
	}
	i.ledger = sessions.New(s, zap.NewNop(), i.clock.Now, rand.Reader)
	i.Service = budgets.New(budgets.Options{
		Store: s, Logger: zap.NewNop(), Now: i.clock.Now,
		Gateways: func() ([]*gateway.Gateway, error) { return []*gateway.Gateway{i.g}, nil },
		Tokens:   func(context.Context, []string) (map[string]budgets.Token, error) { return i.tokens, nil },
		Stop: func(_ context.Context, r *store.Record, _ string) error {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.stopped = append(i.stopped, r.ID)
			return nil
		},
		Report: func(_ context.Context, _ string, b budgets.Breach) {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.breaches = append(i.breaches, b)
		},
	})
	if err := settings.Validate(); err != nil {
		t.Fatal(err)
	}
	i.Configure(settings)
	return i
}

// begin begins a create of a batch with one core and 1 GiB.
func (i *instance) begin(token, user string, change ...func(*sessions.Intent)) (*sessions.Create, string, error) {
	limits, err := i.Limits(&budgets.Create{Gateway: i.g, Kind: "batch", TokenID: token, User: user, Effective: &policies.Effective{DriverMemory: "1g"}})
	if err != nil {
		return nil, "", err
	}
	id, err := i.ledger.NewID()
	if err != nil {
		i.t.Fatal(err)
	}
	in := sessions.Intent{
		ID: id, Gateway: i.g, Kind: livy.KindBatch, Name: id, TokenID: token, User: user, MilliCPU: 1000, MemoryMB: 1024, Limits: limits,
	}
	for _, c := range change {
		c(&in)
	}
	c, err := i.ledger.Begin(i.t.Context(), in)
	if err != nil {
		return nil, "", i.Explain(err)
	}
	return c, id, nil
}

// lister is what Livy lists.
type lister []livy.Batch

func (lister) Sessions(context.Context) ([]livy.Session, error) { return nil, nil }

func (l lister) Batches(context.Context) ([]livy.Batch, error) { return l, nil }

func (lister) Log(context.Context, livy.Kind, int64, int) (livy.Log, error) {
	return livy.Log{}, errors.New("none")
}

// poll follows the batches with the given names and states, whose ids are their places.
func (i *instance) poll(states ...string) {
	i.t.Helper()
	var l lister
	for n, s := range states {
		name, state, _ := strings.Cut(s, "=")
		if state != "" {
			l = append(l, livy.Batch{ID: int64(n), Name: name, State: state})
		}
	}
	if err := i.ledger.Poll(i.t.Context(), store.Fence{}, i.g, l); err != nil {
		i.t.Fatal(err)
	}
}

func (i *instance) confirm(c *sessions.Create, id int64) {
	i.t.Helper()
	if err := c.Confirmed(i.t.Context(), i.g, id, "starting", "", sessions.KeptReply{}); err != nil {
		i.t.Fatal(err)
	}
}

// spent returns the vCore-seconds that were settled for a user.
func (i *instance) spent(period, user string) float64 {
	i.t.Helper()
	sums, err := i.store.Spent(i.t.Context(), period)
	if err != nil {
		i.t.Fatal(err)
	}
	return float64(sums[store.Account{Per: "user", Name: user}].MilliCPUSeconds) / 1000
}

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func people(change ...func(*budgets.Budget)) budgets.Settings {
	b := budgets.Budget{
		Name: "people", Per: "user", Period: "month", VCoreHours: budgets.Bounds{Soft: 0.5, Hard: 1}, Reserve: "6m",
	}
	for _, c := range change {
		c(&b)
	}
	return budgets.Settings{Budgets: []budgets.Budget{b}}
}
