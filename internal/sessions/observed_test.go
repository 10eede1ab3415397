package sessions_test

import (
	"context"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

// run runs the ledger's background work until the test ends.
func (f *fixture) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { f.Run(ctx); close(done) }()
	f.t.Cleanup(func() { cancel(); <-done })
}

// TestRepliesTellStates lets replies pass by that tell what no poll has seen.
func TestRepliesTellStates(t *testing.T) {
	f := newFixture(t)
	f.create(livy.KindSession, 0)
	f.create(livy.KindSession, 1)
	knows := func(id int64, state string) bool { return f.KnowsState(f.g.ID, livy.KindSession, id, []byte(state)) }
	if !knows(0, "starting") || knows(0, "idle") || knows(7, "idle") {
		t.Error("what is known of states is not what was confirmed")
	}
	created := f.now
	f.now = f.now.Add(time.Minute)
	saw := func(id int64, state string, epoch int64) bool {
		g := *f.g
		g.Status.Epoch = epoch
		return f.ObserveState(sessions.ObservedState{Gateway: &g, Kind: livy.KindSession, PublicID: id, State: state, AppID: "app-1"})
	}
	if saw(0, "idle", 1) || saw(1, "idle", 9) || saw(7, "idle", 1) {
		t.Error("a poll is asked for although nothing ended")
	}
	if !knows(0, "idle") {
		t.Error("a state that was told is told again")
	}
	f.run()
	for range 3000 {
		if f.record(livy.KindSession, 0).State == "idle" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if r := f.record(livy.KindSession, 0); r.State != "idle" || r.AppID != "app-1" || !r.Started.Equal(f.now) || !r.Created.Equal(created) {
		t.Errorf("after a reply: %+v", r)
	}
	if r := f.record(livy.KindSession, 1); r.State != "starting" {
		t.Errorf("a reply of another server was believed: %+v", r)
	}
	// Ends are found out by a poll, which knows the log.
	if !saw(0, "dead", 1) || !f.record(livy.KindSession, 0).Live() {
		t.Errorf("a reply tells an end: %+v", f.record(livy.KindSession, 0))
	}
	f.poll(&lists{sessions: []livy.Session{{ID: 0, State: "dead", Log: []string{"x"}}, {ID: 1, State: "busy"}}})
	if r := f.record(livy.KindSession, 0); r.State != "dead" || r.Live() || !knows(1, "busy") {
		t.Errorf("after the poll: %+v", r)
	}
}

// TestTheLastStatesAreWritten: what is in memory when Caddy ends is not lost.
func TestTheLastStatesAreWritten(t *testing.T) {
	f := newFixture(t)
	f.create(livy.KindSession, 0)
	for _, state := range []string{"idle", "busy"} {
		f.ObserveState(sessions.ObservedState{Gateway: f.g, Kind: livy.KindSession, PublicID: 0, State: state})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	f.Run(ended)
	if r := f.record(livy.KindSession, 0); r.State != "busy" {
		t.Errorf("after the end of Run: %s", r.State)
	}
}
