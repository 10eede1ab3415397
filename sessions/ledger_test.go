package sessions_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/livy"
	"github.com/livygateway/livygateway/sessions"
	"github.com/livygateway/livygateway/store"
	"github.com/livygateway/livygateway/store/storetest"
)

type lists struct {
	sessions []livy.Session
	batches  []livy.Batch
	err      error
}

func (l *lists) Sessions(context.Context) ([]livy.Session, error) { return l.sessions, l.err }
func (l *lists) Batches(context.Context) ([]livy.Batch, error)    { return l.batches, l.err }

type fixture struct {
	*sessions.Ledger
	store *store.Store
	fail  func(string)
	g     *gateway.Gateway
	now   time.Time
	t     *testing.T
}

func newFixture(t *testing.T) *fixture {
	s, mini := storetest.Mini(t)
	f := &fixture{store: s, fail: mini.SetError, now: time.UnixMilli(1_700_000_000_000).UTC(), t: t}
	f.g = &gateway.Gateway{ID: "lc-1", Status: gateway.Status{Epoch: 1}}
	f.Ledger = sessions.New(s, zap.NewNop(), func() time.Time { return f.now }, rand.Reader)
	return f
}

func (f *fixture) create(kind livy.Kind, livyID int64) *store.Record {
	f.t.Helper()
	r, err := f.Created(context.Background(), sessions.Created{
		Gateway: f.g, Kind: kind, LivyID: livyID, State: "starting", TokenID: "lctk-1",
		Resources: map[string]string{"kind": "pyspark"},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f *fixture) record(kind livy.Kind, publicID int64) *store.Record {
	f.t.Helper()
	r, err := f.store.Record(context.Background(), f.g.ID, string(kind), publicID)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func TestPollFollowsLivy(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	f.create(livy.KindSession, 0)
	f.create(livy.KindBatch, 0)
	f.create(livy.KindBatch, 1)

	l := &lists{
		sessions: []livy.Session{{ID: 0, State: "idle", AppID: "app-1", AppInfo: map[string]string{"sparkUiUrl": "http://ui"}}},
		batches:  []livy.Batch{{ID: 0, State: "success"}}, // 1 is gone
	}
	f.now = f.now.Add(time.Minute)
	if err := f.Poll(ctx, f.g, l); err != nil {
		t.Fatal(err)
	}
	if r := f.record(livy.KindSession, 0); r.State != "idle" || r.AppID != "app-1" || r.SparkUI != "http://ui" || !r.Ended.IsZero() {
		t.Errorf("session 0: %+v", r)
	}
	if r := f.record(livy.KindBatch, 0); r.State != "success" || !r.Ended.Equal(f.now) {
		t.Errorf("batch 0: %+v", r)
	}
	if r := f.record(livy.KindBatch, 1); r.State != sessions.StateGone || r.Ended.IsZero() {
		t.Errorf("batch 1: %+v", r)
	}

	// When Livy cannot be asked nothing is concluded.
	l.err = errors.New("no answer")
	if err := f.Poll(ctx, f.g, l); err == nil {
		t.Error("no error from a poll that failed")
	}
	if r := f.record(livy.KindSession, 0); r.State != "idle" {
		t.Errorf("session 0 after a failed poll: %+v", r)
	}
}

func TestPublicIDsGoOnAboveTheBase(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	f.create(livy.KindSession, 4)
	if err := f.ServerEnded(ctx, f.g, "restarted"); err != nil {
		t.Fatal(err)
	}
	if r := f.record(livy.KindSession, 4); r.State != "dead" || r.Reason != "restarted" || r.Ended.IsZero() {
		t.Errorf("record of the former server: %+v", r)
	}
	f.g.Status.Epoch++
	f.g.Status.SessionBase, f.g.Status.BatchBase, _ = f.store.NextIDs(ctx, f.g.ID)
	if r := f.create(livy.KindSession, 0); r.PublicID != 5 || r.LivyID != 0 {
		t.Errorf("first session of the next server has public id %d, livy id %d; want 5, 0", r.PublicID, r.LivyID)
	}
}

func TestARecordWaitsForRedis(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	f.fail("LOADING Redis is loading the dataset in memory")
	f.create(livy.KindSession, 0)
	f.fail("")
	if _, err := f.store.Record(ctx, f.g.ID, "session", 0); gateway.KindOf(err) != gateway.KindNotFound {
		t.Fatalf("the record is there already: %v", err)
	}
	if err := f.Poll(ctx, f.g, &lists{sessions: []livy.Session{{ID: 0, State: "idle"}}}); err != nil {
		t.Fatal(err)
	}
	if r := f.record(livy.KindSession, 0); r.State != "idle" || r.TokenID != "lctk-1" {
		t.Errorf("record %+v", r)
	}
}

func TestDeleted(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	f.create(livy.KindSession, 0)
	if err := f.Deleted(ctx, f.g, livy.KindSession, 0, "lctk-2"); err != nil {
		t.Fatal(err)
	}
	if r := f.record(livy.KindSession, 0); r.State != "killed" || r.Reason != "deleted by token lctk-2" {
		t.Errorf("record %+v", r)
	}
	if err := f.Deleted(ctx, f.g, livy.KindSession, 9, "lctk-2"); err != nil {
		t.Errorf("deleting what is not on record: %v", err)
	}
}
