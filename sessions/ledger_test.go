package sessions_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
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
	g     *gateway.Gateway
	now   time.Time
	t     *testing.T
}

func newFixture(t *testing.T) *fixture {
	s, mini := storetest.Mini(t)
	f := &fixture{store: s, fail: mini.SetError, pass: mini.FastForward, now: time.UnixMilli(1_700_000_000_000).UTC(), t: t}
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
	if err := f.Poll(f.t.Context(), f.g, l); err != nil {
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

func TestPollFollowsLivy(t *testing.T) {
	f := newFixture(t)
	f.create(livy.KindSession, 0)
	f.create(livy.KindBatch, 0)
	f.create(livy.KindBatch, 1)

	l := &lists{
		sessions: []livy.Session{{ID: 0, State: "idle", AppID: "app-1", AppInfo: map[string]string{"sparkUiUrl": "http://ui"}}},
		batches:  []livy.Batch{{ID: 0, State: "success", Log: []string{"bye"}}}, // 1 is gone
	}
	created := f.now
	f.now = f.now.Add(time.Minute)
	f.poll(l)
	if r := f.record(livy.KindSession, 0); r.State != "idle" || r.AppID != "app-1" || r.SparkUI != "http://ui" || !r.Live() || !r.Started.Equal(f.now) {
		t.Errorf("session 0: %+v", r)
	}
	r := f.record(livy.KindBatch, 0)
	if r.State != "success" || !r.Ended.Equal(f.now) || !r.Started.Equal(created) || len(r.Log) != 1 || r.Log[0] != "bye" {
		t.Errorf("batch 0: %+v", r)
	}
	if r.VCoreSeconds != 78 || r.MBSeconds != 2048*60 {
		t.Errorf("batch 0 used %v vCore-seconds and %d MB-seconds in a minute of 1.3 cores and 2048 MB", r.VCoreSeconds, r.MBSeconds)
	}
	if r := f.record(livy.KindBatch, 1); r.State != sessions.StateGone || r.Live() {
		t.Errorf("batch 1: %+v", r)
	}

	// When Livy cannot be asked nothing is concluded.
	l.err = errors.New("no answer")
	if err := f.Poll(t.Context(), f.g, l); err == nil {
		t.Error("no error from a poll that failed")
	}
	if r := f.record(livy.KindSession, 0); r.State != "idle" {
		t.Errorf("session 0 after a failed poll: %+v", r)
	}
}

// TestWhyItFailed keeps more of the log than Livy's list shows, of what failed.
func TestWhyItFailed(t *testing.T) {
	f := newFixture(t)
	for id := range int64(4) {
		f.create(livy.KindBatch, id)
	}
	long := make([]string, 200)
	for i := range long {
		long[i] = fmt.Sprintf("line %d", i)
	}
	long[199] = strings.Repeat("x", 499) + "\u00e9" + strings.Repeat("x", 1000)
	short := []string{"the last words"}
	l := &lists{
		batches: []livy.Batch{
			{ID: 0, State: "dead", Log: short},
			{ID: 1, State: "success", Log: short},
			{ID: 2, State: "dead", Log: short},
			{ID: 3, State: "running", Log: short},
		},
		logs: map[string][]string{"batch:0": long, "batch:1": long, "batch:3": long},
	}
	f.poll(l)
	f.poll(l)
	if l.logsAsked != 2 {
		t.Errorf("Livy was asked for %d logs, want 2: of what failed, once", l.logsAsked)
	}
	if r := f.record(livy.KindBatch, 0); len(r.Log) != 50 || r.Log[0] != "line 150" || r.Log[49] != strings.Repeat("x", 499) {
		t.Errorf("a failed batch: %q", r.Log)
	}
	for _, id := range []int64{1, 2} {
		if r := f.record(livy.KindBatch, id); len(r.Log) != 1 || r.Log[0] != short[0] {
			t.Errorf("batch %d: %q", id, r.Log)
		}
	}
}

func TestPublicIDsGoOnAboveTheBase(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.create(livy.KindSession, 4)
	f.poll(&lists{sessions: []livy.Session{{ID: 4, State: "idle", Log: []string{"last words"}}}})
	if err := f.ServerEnded(ctx, f.g, "restarted"); err != nil {
		t.Fatal(err)
	}
	if r := f.record(livy.KindSession, 4); r.State != "dead" || r.Reason != "restarted" || r.Live() || len(r.Log) != 1 {
		t.Errorf("record of the former server: %+v", r)
	}
	f.g.Status.Epoch++
	f.g.Status.SessionBase, f.g.Status.BatchBase, _ = f.store.NextIDs(ctx, f.g.ID)
	if in := f.create(livy.KindSession, 0); f.byID(in.ID).PublicID != 5 {
		t.Errorf("first session of the next server: %+v, want public id 5", f.byID(in.ID))
	}
	err := f.Fate(ctx, f.g.ID, livy.KindSession, 4)
	if gateway.KindOf(err) != gateway.KindNotFound || !strings.Contains(err.Error(), "2023-11-14T22:13:20Z") || !strings.Contains(err.Error(), "restarted") {
		t.Errorf("what became of session 4: %v", err)
	}
	f.fail("LOADING")
	if again := f.Fate(ctx, f.g.ID, livy.KindSession, 4); again == nil || again.Error() != err.Error() {
		t.Errorf("asked again: %v", again)
	}
	f.fail("")
	if err := f.Fate(ctx, f.g.ID, livy.KindSession, 77); gateway.KindOf(err) != gateway.KindNotFound {
		t.Errorf("what became of a session that never was: %v", err)
	}
}

// TestLostReplies loses everything between a create and its reply: Livy's list
// tells by the name what came of it.
func TestLostReplies(t *testing.T) {
	f := newFixture(t)
	arrived, lost := f.intent(livy.KindSession), f.intent(livy.KindSession)
	f.begin(arrived)
	f.begin(lost)
	if r := f.byID(arrived.ID); r.Confirmed() || r.State != "starting" || r.PublicID != -1 {
		t.Errorf("before Livy confirms it: %+v", r)
	}
	l := &lists{sessions: []livy.Session{{ID: 7, Name: arrived.Name, State: "idle"}}}
	f.poll(l)
	if r := f.byID(arrived.ID); r.LivyID != 7 || r.PublicID != 7 || r.State != "idle" || r.TokenID != "lctk-1" {
		t.Errorf("found by its name: %+v", r)
	}
	if r := f.byID(lost.ID); !r.Live() {
		t.Errorf("given up at once: %+v", r)
	}
	f.now = f.now.Add(3 * time.Minute)
	f.poll(l)
	if r := f.byID(lost.ID); r.State != sessions.StateGone || r.VCoreSeconds != 0 {
		t.Errorf("never listed: %+v", r)
	}
	// Livy was slow beyond all patience: the same record lives again.
	l.sessions = append(l.sessions, livy.Session{ID: 8, Name: lost.Name, State: "starting"})
	f.poll(l)
	if r := f.byID(lost.ID); r.LivyID != 8 || !r.Live() || r.Reason != "" {
		t.Errorf("listed late: %+v", r)
	}
	if _, total, _ := f.store.Records(t.Context(), f.g.ID, store.RecordFilter{State: "gone"}, 0, 9); total != 0 || f.total() != 2 {
		t.Errorf("%d records, %d of them gone; want 2 and 0", f.total(), total)
	}
}

// TestReplyAndPollRace lets Livy's reply come while a poll is between its reads.
func TestReplyAndPollRace(t *testing.T) {
	f := newFixture(t)
	in := f.intent(livy.KindBatch)
	c := f.begin(in)
	l := &lists{batches: []livy.Batch{{ID: 3, Name: in.Name, State: "running"}}}
	l.during = func() { f.confirm(c, 3) }
	f.poll(l)
	l.during = nil
	f.poll(l)
	if r := f.record(livy.KindBatch, 3); r.ID != in.ID || r.State != "running" || f.total() != 1 {
		t.Errorf("%d records, %+v", f.total(), r)
	}
	// And the other way round: the poll is first.
	in = f.intent(livy.KindBatch)
	c = f.begin(in)
	l.batches = append(l.batches, livy.Batch{ID: 4, Name: in.Name, State: "running"})
	f.poll(l)
	f.confirm(c, 4)
	if r := f.record(livy.KindBatch, 4); r.ID != in.ID || r.State != "running" || f.total() != 2 {
		t.Errorf("%d records, %+v", f.total(), r)
	}
}

// TestADeletedSessionStaysDeleted deletes while a poll still has the old list.
func TestADeletedSessionStaysDeleted(t *testing.T) {
	f := newFixture(t)
	f.create(livy.KindSession, 0)
	l := &lists{sessions: []livy.Session{{ID: 0, State: "idle"}}}
	l.during = func() { f.Deleted(t.Context(), f.g, livy.KindSession, 0, "token lctk-2") }
	f.poll(l)
	if r := f.record(livy.KindSession, 0); r.State != "killed" || r.Reason != "deleted by token lctk-2" || r.Live() {
		t.Errorf("record %+v", r)
	}
	f.Deleted(t.Context(), f.g, livy.KindSession, 9, "token lctk-2") // not on record: nothing to do
}

func TestStrangersAreRecordedOnce(t *testing.T) {
	f := newFixture(t)
	l := &lists{batches: []livy.Batch{{ID: 0, State: "success"}, {ID: 1, State: "running", Name: "x"}}}
	f.poll(l)
	f.poll(l)
	if r := f.record(livy.KindBatch, 1); r.TokenID != "" || f.total() != 2 {
		t.Errorf("%d records, %+v", f.total(), r)
	}
}

func TestAServerEndsDuringACreate(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.create(livy.KindSession, 2)
	in := f.intent(livy.KindSession)
	c := f.begin(in)
	if err := f.ServerEnded(ctx, f.g, "the Livy server ended"); err != nil {
		t.Fatal(err)
	}
	if r := f.byID(in.ID); r.State != "dead" || !strings.Contains(r.Reason, "before it confirmed") {
		t.Errorf("record %+v", r)
	}
	// Its id may be in somebody's hands: those of the next server are far above.
	if next, _, _ := f.store.NextIDs(ctx, f.g.ID); next < 1003 {
		t.Errorf("the next server's ids begin at %d", next)
	}
	// A reply that belongs to the next server is not given out under the old ids.
	next := *f.g
	next.Status.Epoch, next.Status.SessionBase = 2, 3
	other := f.intent(livy.KindSession, func(in *sessions.Intent) { in.Gateway = &next })
	if err := f.begin(other).Confirmed(ctx, &next, 0, "starting", "", sessions.KeptReply{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Confirmed(ctx, f.g, 3, "starting", "", sessions.KeptReply{}); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("an id that belongs to another create was given out: %v", err)
	}
	if r := f.record(livy.KindSession, 3); r.ID != other.ID {
		t.Errorf("session 3 is %+v", r)
	}
}

// TestRedisGoesAway takes Redis away at each step of a create.
func TestRedisGoesAway(t *testing.T) {
	const away = "LOADING Redis is loading the dataset in memory"
	t.Run("before", func(t *testing.T) {
		f := newFixture(t)
		in := f.intent(livy.KindSession)
		f.fail(away)
		_, err := f.Begin(t.Context(), in)
		f.fail("")
		if gateway.KindOf(err) != gateway.KindUnavailable || f.total() != 0 {
			t.Errorf("%v, %d records", err, f.total())
		}
	})
	t.Run("at the reply", func(t *testing.T) {
		f := newFixture(t)
		c := f.begin(f.intent(livy.KindSession))
		f.fail(away)
		f.confirm(c, 0) // the client has its session
		f.fail("")
		if _, err := f.store.Record(t.Context(), f.g.ID, "session", 0); gateway.KindOf(err) != gateway.KindNotFound {
			t.Fatalf("the record is there already: %v", err)
		}
		f.poll(&lists{sessions: []livy.Session{{ID: 0, State: "idle"}}})
		if r := f.record(livy.KindSession, 0); r.State != "idle" && r.State != "starting" || r.TokenID != "lctk-1" || f.total() != 1 {
			t.Errorf("record %+v", r)
		}
	})
	t.Run("at a refusal", func(t *testing.T) {
		f := newFixture(t)
		c := f.begin(f.intent(livy.KindSession))
		f.fail(away)
		c.Refused(t.Context())
		f.fail("")
		f.poll(&lists{})
		if f.total() != 0 {
			t.Errorf("%d records of nothing", f.total())
		}
	})
	t.Run("at a delete", func(t *testing.T) {
		f := newFixture(t)
		f.create(livy.KindSession, 0)
		f.fail(away)
		f.Deleted(t.Context(), f.g, livy.KindSession, 0, "token lctk-1")
		f.fail("")
		f.poll(&lists{})
		if r := f.record(livy.KindSession, 0); r.State != "killed" {
			t.Errorf("record %+v", r)
		}
	})
}

func TestLimits(t *testing.T) {
	f := newFixture(t)
	two := func(in *sessions.Intent) { in.MaxLive = 2 }
	f.create(livy.KindSession, 0, two)
	refused := f.begin(f.intent(livy.KindSession, two))
	if _, err := f.Begin(t.Context(), f.intent(livy.KindSession, two)); gateway.KindOf(err) != gateway.KindLimited {
		t.Errorf("the third of two: %v", err)
	}
	f.begin(f.intent(livy.KindBatch, two)) // counted on their own
	refused.Refused(t.Context())
	f.create(livy.KindSession, 1, two)
	f.poll(&lists{sessions: []livy.Session{{ID: 0, State: "dead"}, {ID: 1, State: "idle"}}})
	if n, err := f.LiveCount(t.Context(), f.g.ID, "lctk-1", livy.KindSession); n != 1 || err != nil {
		t.Errorf("%d live sessions, %v; want 1", n, err)
	}
	f.create(livy.KindSession, 2, two)
}

func TestNamesUnderWay(t *testing.T) {
	f := newFixture(t)
	mine := func(in *sessions.Intent) { in.Name = "mine" }
	c := f.begin(f.intent(livy.KindSession, mine))
	if _, err := f.Begin(t.Context(), f.intent(livy.KindSession, mine)); gateway.KindOf(err) != gateway.KindConflict {
		t.Errorf("two of a name at once: %v", err)
	}
	f.begin(f.intent(livy.KindBatch, mine))
	f.confirm(c, 0)
	f.begin(f.intent(livy.KindSession, mine)) // now it is Livy's to refuse
	if got := sessions.NameFor("livy-abc", "my app"); got != "my app-abc" {
		t.Errorf("name %q", got)
	}
}

func TestOwners(t *testing.T) {
	f := newFixture(t)
	f.create(livy.KindSession, 0)
	f.create(livy.KindSession, 1, func(in *sessions.Intent) { in.TokenID = "lctk-2" })
	elsewhere := sessions.New(f.store, zap.NewNop(), time.Now, rand.Reader)
	for name, l := range map[string]*sessions.Ledger{"here": f.Ledger, "in another process": elsewhere} {
		got, err := l.Owned(t.Context(), f.g.ID, "lctk-1", livy.KindSession, []int64{0, 1, 2})
		if err != nil || !got[0] || got[1] || got[2] {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	f.fail("LOADING")
	if own, err := elsewhere.Owns(t.Context(), f.g.ID, "lctk-1", livy.KindSession, 0); !own || err != nil {
		t.Errorf("what is known was asked again: %v, %v", own, err)
	}
}

func TestTrim(t *testing.T) {
	f := newFixture(t)
	f.SetRetention(48 * time.Hour)
	f.create(livy.KindSession, 0)
	f.create(livy.KindSession, 1)
	alive := &lists{sessions: []livy.Session{{ID: 1, State: "idle"}}}
	f.poll(alive) // 0 is gone
	f.now = f.now.Add(49 * time.Hour)
	f.poll(alive)
	if _, err := f.store.Record(t.Context(), f.g.ID, "session", 0); gateway.KindOf(err) != gateway.KindNotFound {
		t.Errorf("an old record: %v", err)
	}
	if r := f.record(livy.KindSession, 1); !r.Live() || f.total() != 1 {
		t.Errorf("an old one that lives: %+v, %d records", r, f.total())
	}
}

func TestUsage(t *testing.T) {
	f := newFixture(t)
	f.now = time.Date(2026, 1, 1, 22, 0, 0, 0, time.UTC)
	ended, living := f.intent(livy.KindSession), f.intent(livy.KindSession)
	f.confirm(f.begin(ended), 0)
	f.confirm(f.begin(living), 1)
	f.poll(&lists{sessions: []livy.Session{{ID: 0, State: "idle"}, {ID: 1, State: "idle"}}})
	f.now = f.now.Add(4 * time.Hour) // two on each side of midnight
	f.poll(&lists{sessions: []livy.Session{{ID: 1, State: "idle"}}})
	f.Deleted(t.Context(), f.g, livy.KindSession, 0, "x") // counted once
	usage, err := f.Usage(t.Context(), f.g.ID, "", "")
	if err != nil || len(usage) != 2 {
		t.Fatalf("%+v, %v", usage, err)
	}
	for i, day := range []string{"2026-01-01", "2026-01-02"} {
		u := usage[i]
		if u.Day != day || u.TokenID != "lctk-1" || u.VCoreHours < 5.199 || u.VCoreHours > 5.201 || u.GBHours != 8 {
			t.Errorf("%+v; want 2 x 2 hours of 1.3 cores and 2 GB", u)
		}
	}
	if usage, err = f.Usage(t.Context(), f.g.ID, "2026-01-02", ""); err != nil || len(usage) != 1 {
		t.Errorf("from the second day on: %+v, %v", usage, err)
	}
}

// TestAReplacedServerIsNoticed restarts Livy behind the gateway's back.
func TestAReplacedServerIsNoticed(t *testing.T) {
	for _, alive := range []bool{true, false} {
		f := newFixture(t)
		first := f.create(livy.KindSession, 0)
		l := &lists{sessions: []livy.Session{{ID: 0, Name: first.Name, State: "idle"}}}
		f.poll(l)
		if !alive {
			f.poll(&lists{}) // seen while it was empty
		}
		in := f.intent(livy.KindSession)
		c := f.begin(in)
		if err := c.Confirmed(t.Context(), f.g, 0, "starting", "", sessions.KeptReply{}); gateway.KindOf(err) != gateway.KindUnavailable {
			t.Errorf("the id of session 0 was given out again: %v", err)
		}
		l.sessions[0] = livy.Session{ID: 0, Name: in.Name, State: "idle"}
		if err := f.Poll(t.Context(), f.g, l); !errors.Is(err, sessions.ErrReplaced) {
			t.Fatalf("alive %v: %v", alive, err)
		}
		if r := f.byID(first.ID); r.State != "idle" && alive {
			t.Errorf("the lists of another server were believed: %+v", r)
		}
		if err := f.ServerEnded(t.Context(), f.g, "replaced"); err != nil {
			t.Fatal(err)
		}
		f.g.Status.Epoch++
		f.g.Status.SessionBase, _, _ = f.store.NextIDs(t.Context(), f.g.ID)
		f.poll(l)
		if r := f.byID(in.ID); r.PublicID != 1001 || !r.Live() || r.State != "idle" {
			t.Errorf("the new server's session: %+v", r)
		}
		// A second create of a living one's name is no sign of another server.
		f.begin(f.intent(livy.KindSession, func(twin *sessions.Intent) { twin.Name = in.Name }))
		f.poll(l)
	}
}

// TestAFailedCreate lets Livy answer 500: whether it started something shows in
// its lists.
func TestAFailedCreate(t *testing.T) {
	f := newFixture(t)
	in := f.intent(livy.KindSession, repeat("k", "a"))
	f.begin(in).Failed(t.Context(), "Livy answered 500")
	if r := f.byID(in.ID); r.State != "error" || r.Live() || r.Reason != "Livy answered 500" {
		t.Errorf("%+v", r)
	}
	again := f.begin(f.intent(livy.KindSession, repeat("k", "a"))) // the key is free
	f.confirm(again, 1)
	f.poll(&lists{sessions: []livy.Session{{ID: 0, Name: in.Name, State: "idle"}, {ID: 1, State: "idle"}}})
	if r := f.byID(in.ID); !r.Live() || r.PublicID != 0 || r.State != "idle" {
		t.Errorf("it was started all the same: %+v", r)
	}
	for _, state := range []string{"error", "dead", "gone"} {
		if _, total, err := f.store.Records(t.Context(), f.g.ID, store.RecordFilter{State: state}, 0, 9); total != 0 || err != nil {
			t.Errorf("%d are listed as %s, %v", total, state, err)
		}
	}
}
