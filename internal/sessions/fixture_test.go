package sessions_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

type lists struct {
	sessions []livy.Session
	batches  []livy.Batch
	err      error
	during   func() // called while Livy is asked

	logs      map[string][]string // by kind and id; others are not answered
	logsAsked int
}

func (l *lists) Sessions(context.Context) ([]livy.Session, error) {
	if l.during != nil {
		l.during()
	}
	return l.sessions, l.err
}
func (l *lists) Batches(context.Context) ([]livy.Batch, error) { return l.batches, l.err }

func (l *lists) Log(_ context.Context, kind livy.Kind, id int64, size int) (livy.Log, error) {
	l.logsAsked++
	lines, ok := l.logs[fmt.Sprintf("%s:%d", kind, id)]
	if !ok {
		return livy.Log{}, errors.New("no answer")
	}
	return livy.Log{Log: lines[max(0, len(lines)-size):]}, nil
}

type fixture struct {
	*sessions.Ledger
	store *store.Store
	fail  func(string)
	pass  func(time.Duration) // lets time go by in Redis
	// commands counts what Redis was asked.
	commands func() int
	g        *gateway.Gateway
	now      time.Time
	t        *testing.T
}

func newFixture(t *testing.T) *fixture {
	s, mini := storetest.Mini(t)
	f := &fixture{store: s, fail: mini.SetError, pass: mini.FastForward, commands: mini.CommandCount, now: time.UnixMilli(1_700_000_000_000).UTC(), t: t}
	f.g = &gateway.Gateway{ID: "lc-1", Status: gateway.Status{Epoch: 1}}
	f.Ledger = sessions.New(s, zap.NewNop(), func() time.Time { return f.now }, rand.Reader)
	return f
}

// intent is a create of the token lctk-1 that names nothing.
func (f *fixture) intent(kind livy.Kind, change ...func(*sessions.Intent)) sessions.Intent {
	f.t.Helper()
	id, err := f.NewID()
	if err != nil {
		f.t.Fatal(err)
	}
	in := sessions.Intent{
		ID: id, Gateway: f.g, Kind: kind, Name: sessions.NameFor(id, ""), TokenID: "lctk-1",
		Resources: map[string]string{"kind": "pyspark"}, MilliCPU: 1300, MemoryMB: 2048,
	}
	for _, c := range change {
		c(&in)
	}
	return in
}

func (f *fixture) begin(in sessions.Intent) *sessions.Create {
	f.t.Helper()
	c, err := f.Begin(f.t.Context(), in)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fixture) confirm(c *sessions.Create, livyID int64) {
	f.t.Helper()
	if err := c.Confirmed(f.t.Context(), f.g, livyID, "starting", "", sessions.KeptReply{Status: 201, Body: []byte(`{}`)}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) create(kind livy.Kind, livyID int64, change ...func(*sessions.Intent)) sessions.Intent {
	f.t.Helper()
	in := f.intent(kind, change...)
	f.confirm(f.begin(in), livyID)
	return in
}

func (f *fixture) poll(l *lists) {
	f.t.Helper()
	if err := f.Poll(f.t.Context(), store.Fence{}, f.g, l); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) record(kind livy.Kind, publicID int64) *store.Record {
	f.t.Helper()
	r, err := f.store.Record(f.t.Context(), f.g.ID, string(kind), publicID)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f *fixture) byID(id string) *store.Record {
	f.t.Helper()
	r, err := f.store.RecordByID(f.t.Context(), f.g.ID, id)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f *fixture) total() int64 {
	f.t.Helper()
	_, total, err := f.store.Records(f.t.Context(), f.g.ID, store.RecordFilter{}, 0, 1)
	if err != nil {
		f.t.Fatal(err)
	}
	return total
}
