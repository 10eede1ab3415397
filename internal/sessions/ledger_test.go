package sessions_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
)

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
	if err := f.Poll(t.Context(), store.Fence{}, f.g, l); err == nil {
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
	if err := f.ServerEnded(ctx, store.Fence{}, f.g, "restarted"); err != nil {
		t.Fatal(err)
	}
	if r := f.record(livy.KindSession, 4); r.State != "dead" || r.Reason != "restarted" || r.Live() || len(r.Log) != 1 {
		t.Errorf("record of the former server: %+v", r)
	}
	f.g.Status.Epoch++
	f.g.Status.SessionBase, f.g.Status.BatchBase, _ = f.store.NextIDs(ctx, store.Fence{}, f.g.ID)
	if in := f.create(livy.KindSession, 0); f.byID(in.ID).PublicID != 5 {
		t.Errorf("first session of the next server: %+v, want public id 5", f.byID(in.ID))
	}
	err := f.EndedError(ctx, f.g.ID, livy.KindSession, 4)
	if gateway.KindOf(err) != gateway.KindNotFound || !strings.Contains(err.Error(), "2023-11-14T22:13:20Z") || !strings.Contains(err.Error(), "restarted") {
		t.Errorf("what became of session 4: %v", err)
	}
	f.fail("LOADING")
	if again := f.EndedError(ctx, f.g.ID, livy.KindSession, 4); again == nil || again.Error() != err.Error() {
		t.Errorf("asked again: %v", again)
	}
	f.fail("")
	if err := f.EndedError(ctx, f.g.ID, livy.KindSession, 77); gateway.KindOf(err) != gateway.KindNotFound {
		t.Errorf("what became of a session that never was: %v", err)
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
	for wanted, want := range map[string]string{
		"": "livy-abc", "my app": "my app-abc",
		strings.Repeat("x", 79) + "\u00e9": strings.Repeat("x", 79) + "-abc", // no half of a character
	} {
		if got := sessions.NameFor("livy-abc", wanted); got != want {
			t.Errorf("name %q for %q, want %q", got, wanted, want)
		}
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

// Nothing is kept of a deleted gateway, such as when it was last trimmed.
func TestForget(t *testing.T) {
	f := newFixture(t)
	f.create(livy.KindSession, 0)
	f.poll(&lists{})
	f.SetRetention(time.Hour)
	f.now = f.now.Add(2 * time.Hour)
	trim := func() int64 {
		if err := f.Trim(t.Context(), store.Fence{}, f.g.ID); err != nil {
			t.Fatal(err)
		}
		return f.total()
	}
	if n := trim(); n != 0 {
		t.Fatalf("%d records after a trim", n)
	}
	f.now = f.now.Add(-2 * time.Hour)
	f.create(livy.KindSession, 1)
	f.poll(&lists{})
	f.now = f.now.Add(2 * time.Hour)
	if n := trim(); n != 1 {
		t.Errorf("%d records: trimmed twice within a minute", n)
	}
	f.Forget(f.g.ID)
	if n := trim(); n != 0 {
		t.Errorf("%d records: the last trim is still known", n)
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
