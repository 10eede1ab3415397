package sessions_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

func repeat(key, body string) func(*sessions.Intent) {
	return func(in *sessions.Intent) { in.Repeat = &sessions.Repeat{Key: key, Body: body} }
}

func TestRepeatedCreates(t *testing.T) {
	f := newFixture(t)
	first := f.begin(f.intent(livy.KindSession, repeat("k", "a")))
	reply := sessions.KeptReply{Status: 201, Body: []byte(`{"id":0}`)}
	if err := first.Confirmed(t.Context(), f.g, 0, "starting", "", reply); err != nil {
		t.Fatal(err)
	}
	var repeated *sessions.RepeatedError
	if _, err := f.Begin(t.Context(), f.intent(livy.KindSession, repeat("k", "a"))); !errors.As(err, &repeated) || string(repeated.Reply.Body) != `{"id":0}` {
		t.Errorf("the same again: %v", err)
	}
	if _, err := f.Begin(t.Context(), f.intent(livy.KindSession, repeat("k", "b"))); gateway.KindOf(err) != gateway.KindConflict {
		t.Errorf("another body: %v", err)
	}
	f.begin(f.intent(livy.KindBatch, repeat("k", "b")))
	f.begin(f.intent(livy.KindSession, repeat("k", "b"), func(in *sessions.Intent) { in.TokenID = "lctk-2" }))
	if f.total() != 3 {
		t.Errorf("%d records, want 3", f.total())
	}
	// The key is known for a day.
	for _, c := range []struct {
		pass  time.Duration
		known bool
	}{{23 * time.Hour, true}, {2 * time.Hour, false}} {
		f.pass(c.pass)
		_, err := f.Begin(t.Context(), f.intent(livy.KindSession, repeat("k", "a")))
		if errors.As(err, &repeated) != c.known || (err == nil) == c.known {
			t.Errorf("%v later: %v", c.pass, err)
		}
	}
}

func TestARefusedCreateMayBeSentAgain(t *testing.T) {
	f := newFixture(t)
	f.begin(f.intent(livy.KindSession, repeat("k", "a"))).Refused(t.Context())
	f.begin(f.intent(livy.KindSession, repeat("k", "a")))
}

// TestTwoAtOnce sends the same create twice at once: one is sent on, the other
// gets its reply.
func TestTwoAtOnce(t *testing.T) {
	f := newFixture(t)
	creates := make(chan *sessions.Create, 2)
	replies := make(chan string, 2)
	var wg sync.WaitGroup
	for range 2 {
		in := f.intent(livy.KindSession, repeat("k", "a"))
		wg.Go(func() {
			c, err := f.Begin(t.Context(), in)
			var repeated *sessions.RepeatedError
			switch {
			case err == nil:
				creates <- c
			case errors.As(err, &repeated):
				replies <- string(repeated.Reply.Body)
			default:
				t.Error(err)
			}
		})
	}
	if err := (<-creates).Confirmed(t.Context(), f.g, 0, "starting", "", sessions.KeptReply{Body: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if len(creates) != 0 || len(replies) != 1 || <-replies != "one" {
		t.Errorf("%d sent and %d replayed, want 0 more and 1", len(creates), len(replies))
	}
}

// TestTheFirstReplyWasLost repeats a create whose reply nobody got.
func TestTheFirstReplyWasLost(t *testing.T) {
	f := newFixture(t)
	in := f.intent(livy.KindSession, repeat("k", "a"))
	f.begin(in)
	f.poll(&lists{sessions: []livy.Session{{ID: 4, Name: in.Name, State: "idle"}}})
	f.now = f.now.Add(10 * time.Second)
	var repeated *sessions.RepeatedError
	if _, err := f.Begin(t.Context(), f.intent(livy.KindSession, repeat("k", "a"))); !errors.As(err, &repeated) || repeated.Reply.Status != 201 {
		t.Errorf("%v", err)
	} else if want := `"id":4,`; !strings.Contains(string(repeated.Reply.Body), want) {
		t.Errorf("reply %s, want %s in it", repeated.Reply.Body, want)
	}
	// One that never arrived is sent on.
	f.begin(f.intent(livy.KindSession, repeat("lost", "a")))
	f.now = f.now.Add(3 * time.Minute)
	f.poll(&lists{})
	f.begin(f.intent(livy.KindSession, repeat("lost", "a")))
}

// TestTheFirstIsOverAlready repeats a create whose reply nobody got, of a batch that Poll has found
// and that has succeeded within seconds.
func TestTheFirstIsOverAlready(t *testing.T) {
	f := newFixture(t)
	in := f.intent(livy.KindBatch, repeat("k", "a"))
	f.begin(in)
	for _, state := range []string{"running", "success"} {
		f.poll(&lists{batches: []livy.Batch{{ID: 4, Name: in.Name, State: state}}})
	}
	var repeated *sessions.RepeatedError
	again := f.intent(livy.KindBatch, repeat("k", "a"))
	if err := f.Repeated(t.Context(), &again); err != nil {
		t.Errorf("while Livy's reply may come: %v", err)
	}
	f.now = f.now.Add(10 * time.Second)
	if _, err := f.Begin(t.Context(), again); !errors.As(err, &repeated) || !strings.Contains(string(repeated.Reply.Body), `"id":4,`) {
		t.Errorf("it was started again: %v", err)
	}
	if f.total() != 1 {
		t.Errorf("%d records, want 1", f.total())
	}
}

// TestARepetitionBeginsWhenItIsSent: a create that waited for the one that it repeats did not run
// beside it.
func TestARepetitionBeginsWhenItIsSent(t *testing.T) {
	f := newFixture(t)
	f.Ledger = sessions.New(f.store, zap.NewNop(), time.Now, rand.Reader)
	one, two := f.intent(livy.KindBatch, repeat("k", "a")), f.intent(livy.KindBatch, repeat("k", "a"))
	first := f.begin(one)
	before := f.commands()
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := f.Begin(t.Context(), two); err != nil {
			t.Error(err)
		}
	})
	eventually.True(t, time.Minute, "the second waits", func() bool { return f.commands() > before })
	first.Failed(t.Context(), "Livy answered 500")
	wg.Wait()
	ended, err := f.store.RecordByID(t.Context(), f.g.ID, one.ID)
	if err != nil {
		t.Fatal(err)
	}
	begun, err := f.store.RecordByID(t.Context(), f.g.ID, two.ID)
	if err != nil {
		t.Fatal(err)
	}
	if ended.Ended.IsZero() || begun.Created.Before(ended.Ended) {
		t.Errorf("the second began at %v, before the first ended at %v", begun.Created, ended.Ended)
	}
}

// A create that was given up, and another one sent in its place: what becomes of the
// first must not let a third one be sent.
func TestALateAnswerLeavesTheNextCreateAlone(t *testing.T) {
	for what, answer := range map[string]func(*fixture, *sessions.Create){
		"refused":   func(f *fixture, c *sessions.Create) { c.Refused(f.t.Context()) },
		"failed":    func(f *fixture, c *sessions.Create) { c.Failed(f.t.Context(), "Livy answered 500") },
		"confirmed": func(f *fixture, c *sessions.Create) { f.confirm(c, 7) },
	} {
		f := newFixture(t)
		first := f.begin(f.intent(livy.KindSession, repeat("k", "a")))
		f.now = f.now.Add(3 * time.Minute)
		f.poll(&lists{})
		second := f.begin(f.intent(livy.KindSession, repeat("k", "a")))
		answer(f, first)
		if err := second.Confirmed(t.Context(), f.g, 8, "starting", "", sessions.KeptReply{Status: 201, Body: []byte("second")}); err != nil {
			t.Fatal(err)
		}
		var repeated *sessions.RepeatedError
		if _, err := f.Begin(t.Context(), f.intent(livy.KindSession, repeat("k", "a"))); !errors.As(err, &repeated) || string(repeated.Reply.Body) != "second" {
			t.Errorf("after the first was %s late: %v, %+v", what, err, repeated)
		}
	}
}
