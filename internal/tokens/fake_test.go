package tokens_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// fakeRows keeps tokens in memory, without a network, so that the tests of time
// can run in a bubble of synctest. It answers, fails and dawdles as told.
type fakeRows struct {
	mu      sync.Mutex
	rows    map[string]*store.TokenRow
	touches []store.TokenTouch
	reads   int
	err     error         // what every call fails with
	delay   time.Duration // how long every read takes
	// answered, when set, is called between reading a row and answering.
	answered func()
	hear     func(store.Event) // set by Watch
}

var _ tokens.Rows = (*fakeRows)(nil)

var errAway = gateway.Errorf(gateway.KindUnavailable, "away")

// fake is a service on fakeRows.
func fake(o tokens.Options) (*tokens.Service, *fakeRows) {
	rows := &fakeRows{rows: map[string]*store.TokenRow{}}
	return tokens.New(rows, o, zap.NewNop()), rows
}

// run runs the service until the test ends or stop is called.
func run(t *testing.T, s *tokens.Service) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func (f *fakeRows) fail(err error)           { f.mu.Lock(); f.err = err; f.mu.Unlock() }
func (f *fakeRows) dawdle(d time.Duration)   { f.mu.Lock(); f.delay = d; f.mu.Unlock() }
func (f *fakeRows) whenAnswered(call func()) { f.mu.Lock(); f.answered = call; f.mu.Unlock() }
func (f *fakeRows) readCount() int           { f.mu.Lock(); defer f.mu.Unlock(); return f.reads }
func (f *fakeRows) tell(e store.Event)       { f.mu.Lock(); hear := f.hear; f.mu.Unlock(); hear(e) }
func (f *fakeRows) touched() []store.TokenTouch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.touches)
}

func (f *fakeRows) CreateToken(_ context.Context, row *store.TokenRow, _ store.Write) error {
	row.Revision = 0
	return f.put(row)
}

func (f *fakeRows) UpdateToken(_ context.Context, row *store.TokenRow, _ store.Write) error {
	return f.put(row)
}

func (f *fakeRows) put(row *store.TokenRow) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	if have := f.rows[row.ID]; have != nil && have.Revision != row.Revision {
		return &gateway.Error{Kind: gateway.KindConflict, Field: "revision", Rule: "changed meanwhile"}
	}
	row.Revision++
	kept := *row
	f.rows[row.ID] = &kept
	return nil
}

// RevokeToken revokes as another instance does: this one hears of it only by tell.
func (f *fakeRows) RevokeToken(_ context.Context, _, id string, now time.Time, _ store.Write) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	revoked := *f.rows[id]
	revoked.RevokedAt = now
	revoked.Revision++
	f.rows[id] = &revoked
	return nil
}

func (f *fakeRows) Token(ctx context.Context, id string) (*store.TokenRow, error) {
	return f.read(ctx, func(r *store.TokenRow) bool { return r.ID == id })
}

func (f *fakeRows) TokenBySecret(ctx context.Context, sum string) (*store.TokenRow, error) {
	return f.read(ctx, func(r *store.TokenRow) bool {
		return slices.ContainsFunc(r.Secrets, func(s store.TokenSecret) bool { return s.Supplied && s.Sum == sum })
	})
}

func (f *fakeRows) read(ctx context.Context, is func(*store.TokenRow) bool) (*store.TokenRow, error) {
	f.mu.Lock()
	f.reads++
	err, delay, answered := f.err, f.delay, f.answered
	var found *store.TokenRow
	for _, row := range f.rows {
		if is(row) {
			kept := *row
			found = &kept
		}
	}
	f.mu.Unlock()
	if delay > 0 {
		select {
		case <-ctx.Done():
			return nil, gateway.Wrap(gateway.KindUnavailable, "reading", ctx.Err())
		case <-time.After(delay):
		}
	}
	if answered != nil {
		answered()
	}
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		return nil, gateway.Errorf(gateway.KindNotFound, "no such token")
	}
	return found, nil
}

func (f *fakeRows) Tokens(context.Context, string) ([]*store.TokenRow, error) { return f.list(false) }

func (f *fakeRows) RevokedTokens(context.Context, string) ([]*store.TokenRow, error) {
	return f.list(true)
}

func (f *fakeRows) list(revoked bool) ([]*store.TokenRow, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*store.TokenRow
	for _, row := range f.rows {
		if row.RevokedAt.IsZero() != revoked {
			all = append(all, row)
		}
	}
	return all, f.err
}

func (f *fakeRows) TokensByID(_ context.Context, ids []string) ([]*store.TokenRow, error) {
	all, err := f.Tokens(context.Background(), "")
	return slices.DeleteFunc(all, func(r *store.TokenRow) bool { return !slices.Contains(ids, r.ID) }), err
}

func (f *fakeRows) OwnedTokens(_ context.Context, owner string) ([]*store.TokenRow, error) {
	all, err := f.Tokens(context.Background(), "")
	return slices.DeleteFunc(all, func(r *store.TokenRow) bool { return r.Owner != owner }), err
}

func (f *fakeRows) TouchTokens(_ context.Context, touches []store.TokenTouch) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.touches = append(f.touches, touches...)
	}
	return f.err
}

func (f *fakeRows) Watch(ctx context.Context, handler func(store.Event)) {
	f.mu.Lock()
	f.hear = handler
	f.mu.Unlock()
	handler(store.Event{Topic: store.TopicResync})
	<-ctx.Done()
}
