package sessions_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
)

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

func TestAServerEndsDuringACreate(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.create(livy.KindSession, 2)
	in := f.intent(livy.KindSession)
	c := f.begin(in)
	if err := f.ServerEnded(ctx, store.Fence{}, f.g, "the Livy server ended"); err != nil {
		t.Fatal(err)
	}
	if r := f.byID(in.ID); r.State != "dead" || !strings.Contains(r.Reason, "before it confirmed") {
		t.Errorf("record %+v", r)
	}
	// Its id may be in somebody's hands: those of the next server are far above.
	if next, _, _ := f.store.NextIDs(ctx, store.Fence{}, f.g.ID); next < 1003 {
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
	t.Run("at the reply, and back for the next request", func(t *testing.T) {
		f := newFixture(t)
		c := f.begin(f.intent(livy.KindSession))
		f.fail(away)
		f.confirm(c, 0)
		f.fail("")
		f.Deleted(t.Context(), f.g, livy.KindSession, 0, "token lctk-1")
		f.poll(&lists{})
		if r := f.record(livy.KindSession, 0); r.State != "killed" || r.Reason != "deleted by token lctk-1" {
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
		if err := f.Poll(t.Context(), store.Fence{}, f.g, l); !errors.Is(err, sessions.ErrReplaced) {
			t.Fatalf("alive %v: %v", alive, err)
		}
		if r := f.byID(first.ID); r.State != "idle" && alive {
			t.Errorf("the lists of another server were believed: %+v", r)
		}
		if err := f.ServerEnded(t.Context(), store.Fence{}, f.g, "replaced"); err != nil {
			t.Fatal(err)
		}
		f.g.Status.Epoch++
		f.g.Status.SessionBase, _, _ = f.store.NextIDs(t.Context(), store.Fence{}, f.g.ID)
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
