package sessions_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
)

// drivers are the pods of all batches.
type drivers struct {
	state sessions.DriverState
	why   string
	err   error
	none  bool // drivers are no pods
	asked int
}

func (d *drivers) DriverPods(*gateway.Gateway) bool { return !d.none }

func (d *drivers) Driver(ctx context.Context, _ *gateway.Gateway, r *store.Record) (sessions.DriverState, string, error) {
	d.asked++
	if at, ok := ctx.Deadline(); !ok || time.Until(at) > 5*time.Second {
		return d.state, d.why, errors.New("a poll would wait for long")
	}
	return d.state, d.why, d.err
}

// succeeded are Livy's lists with a batch whose spark-submit exited with 0.
var succeeded = &lists{batches: []livy.Batch{{ID: 0, State: "success", Log: []string{"exit code: 2"}}}}

// state is the state of the batch in a reply of Livy with its success, and that on record.
func (f *fixture) batchStates(l *sessions.Ledger) (shown, recorded, reason string) {
	f.t.Helper()
	r := f.record(livy.KindBatch, 0)
	if r.Live() == livy.Finished(r.State) {
		f.t.Errorf("it ended: %v, in state %s", !r.Live(), r.State)
	}
	return l.DriverStates(f.t.Context(), f.g.ID, 0)[0], r.State, r.Reason
}

func (f *fixture) want(state, reason string) {
	f.t.Helper()
	if shown, recorded, why := f.batchStates(f.Ledger); shown != state || recorded != state || why != reason {
		f.t.Errorf("shown as %s, recorded as %s (%s); want %s (%s)", shown, recorded, why, state, reason)
	}
}

const failedDriver = "driver pod failed: exit code 2 (Error)"

// TestDriversDecide: a batch is not a success before its driver's pod tells so.
func TestDriversDecide(t *testing.T) {
	away := errors.New("the API is away")
	type step struct {
		after         time.Duration
		d             drivers
		state, reason string
	}
	unseen, runs := drivers{}, drivers{state: sessions.DriverRuns}
	failed := drivers{state: sessions.DriverFailed, why: "exit code 2 (Error)"}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"the pod is seen first", []step{{0, failed, "dead", failedDriver}}},
		{"it succeeded", []step{{0, drivers{state: sessions.DriverSucceeded}, "success", ""}}},
		{"Livy is seen first", []step{{0, unseen, "running", ""}, {time.Second, unseen, "running", ""}, {time.Second, failed, "dead", failedDriver}}},
		{"it still runs", []step{{0, runs, "running", ""}, {time.Hour, runs, "running", ""}, {time.Hour, failed, "dead", failedDriver}}},
		{"the pod is gone", []step{{0, unseen, "running", ""}, {9 * time.Second, unseen, "running", ""}, {time.Second, unseen, "success", sessions.NoteUnseen}}},
		{"it ran, then the pod is gone", []step{
			{0, runs, "running", ""}, {time.Hour, unseen, "running", ""}, {10 * time.Second, unseen, "success", sessions.NoteUnseen},
		}},
		{"it is lost from sight twice", []step{
			{0, unseen, "running", ""}, {time.Second, runs, "running", ""}, {time.Hour, unseen, "running", ""}, {time.Second, failed, "dead", failedDriver},
		}},
		{"the API is away for a while", []step{
			{0, drivers{err: away}, "running", ""}, {time.Minute, drivers{err: away}, "running", ""}, {time.Second, failed, "dead", failedDriver},
		}},
		{"the API is away", []step{
			{0, drivers{err: away}, "running", ""},
			{119 * time.Second, drivers{err: away}, "running", ""},
			{time.Second, drivers{err: away}, "success", sessions.NoteUnseen},
		}},
		{"drivers are no pods", []step{{0, drivers{none: true, state: sessions.DriverFailed}, "success", ""}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			var d drivers
			f.SetDrivers(&d)
			f.create(livy.KindBatch, 0)
			if shown, _, _ := f.batchStates(f.Ledger); shown != "running" {
				t.Errorf("before a poll it is %s", shown)
			}
			for _, s := range tt.steps {
				f.now, d = f.now.Add(s.after), s.d
				f.poll(succeeded)
				f.want(s.state, s.reason)
			}
			// The end is for good, whatever becomes of the pod, and after a restart.
			last := tt.steps[len(tt.steps)-1]
			d = drivers{state: sessions.DriverRuns}
			f.now = f.now.Add(time.Minute)
			f.poll(succeeded)
			f.want(last.state, last.reason)
			f.Ledger = sessions.New(f.store, zap.NewNop(), func() time.Time { return f.now }, rand.Reader)
			f.SetDrivers(&d)
			f.poll(succeeded)
			f.want(last.state, last.reason)
			if d.asked > 0 {
				t.Error("an ended batch's pod is looked up")
			}
			if before := f.commands(); f.DriverStates(t.Context(), f.g.ID, 0)[0] != last.state || f.commands() != before {
				t.Error("a known end is read again")
			}
		})
	}
}

// TestDriversDecideOnce: of two instances, the one that polls decides, also for the other, and the
// next one goes on where it ended.
func TestDriversDecideOnce(t *testing.T) {
	f := newFixture(t)
	unseen := &drivers{}
	f.SetDrivers(unseen)
	f.create(livy.KindBatch, 0)
	other := sessions.New(f.store, zap.NewNop(), func() time.Time { return f.now }, rand.Reader)
	other.SetDrivers(&drivers{state: sessions.DriverSucceeded}) // what it sees counts only in its polls
	f.poll(succeeded)
	if shown, recorded, _ := f.batchStates(other); shown != "running" || recorded != "running" {
		t.Errorf("the other one shows %s, recorded is %s", shown, recorded)
	}
	other.SetDrivers(&drivers{state: sessions.DriverFailed, why: "exit code 2 (Error)"})
	if err := other.Poll(t.Context(), store.Fence{}, f.g, succeeded); err != nil {
		t.Fatal(err)
	}
	f.poll(succeeded)
	f.want("dead", failedDriver)
	if r := f.record(livy.KindBatch, 0); len(r.Log) != 1 || r.VCoreSeconds < 0 {
		t.Errorf("%+v", r)
	}
}

// TestDriversDecideNothingElse: what Livy itself calls dead, what was killed and what was created
// elsewhere is left as it is.
func TestDriversDecideNothingElse(t *testing.T) {
	f := newFixture(t)
	d := &drivers{state: sessions.DriverFailed, why: "exit code 2 (Error)"}
	f.SetDrivers(d)
	for id := range int64(3) {
		f.create(livy.KindBatch, id)
	}
	f.create(livy.KindSession, 0)
	f.Deleted(t.Context(), f.g, livy.KindBatch, 1, "token lctk-1")
	f.poll(&lists{
		batches:  []livy.Batch{{ID: 0, State: "dead"}, {ID: 1, State: "success"}, {ID: 2, State: "running"}, {ID: 3, State: "success"}},
		sessions: []livy.Session{{ID: 0, State: "success"}},
	})
	for id, want := range []string{"dead: the driver failed", "killed: deleted by token", "running: ", "success: found in Livy"} {
		if r := f.record(livy.KindBatch, int64(id)); !strings.HasPrefix(r.State+": "+r.Reason, want) {
			t.Errorf("batch %d is %s: %s", id, r.State, r.Reason)
		}
	}
	if r := f.record(livy.KindSession, 0); r.State != "success" || d.asked > 0 {
		t.Errorf("the session is %s; asked %d times", r.State, d.asked)
	}
	// One that Livy finds by its name.
	in := f.create(livy.KindBatch, 4)
	f.poll(&lists{batches: []livy.Batch{{ID: 4, State: "success"}}})
	if id, err := f.IDOf(t.Context(), f.g.ID, livy.KindBatch, in.Name, true); err != nil || id != 4 {
		t.Errorf("by name: %d, %v", id, err)
	}
}

// TestDriverStatesWithoutRedis: while Redis is away, nothing is a success that may fail.
func TestDriverStatesWithoutRedis(t *testing.T) {
	f := newFixture(t)
	f.SetDrivers(&drivers{state: sessions.DriverFailed})
	f.create(livy.KindBatch, 0)
	f.poll(succeeded)
	f.fail("down")
	for range 2 {
		if got := f.DriverStates(t.Context(), f.g.ID, 0, 7); got[0] != "running" || got[7] != "running" {
			t.Errorf("shown: %v", got)
		}
	}
	f.fail("")
	f.now = f.now.Add(time.Minute)
	if got := f.DriverStates(t.Context(), f.g.ID, 0, 7); got[0] != "dead" || got[7] != "running" {
		t.Errorf("shown: %v", got)
	}
}
