package sessions_test

import (
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy"
)

// TestReasons: records tell why something ended, and who ended it.
func TestReasons(t *testing.T) {
	f := newFixture(t)
	var l lists
	for i, state := range []string{"dead", "error", "killed", "success"} {
		in := f.create(livy.KindBatch, int64(i))
		l.batches = append(l.batches, livy.Batch{ID: int64(i), Name: in.Name, State: state})
	}
	f.poll(&l)
	for i, want := range []string{
		"the driver failed, or was killed outside of the gateway", "the driver failed, or was killed outside of the gateway",
		"killed outside of the gateway", "",
	} {
		r := f.record(livy.KindBatch, int64(i))
		if r.Live() || r.Reason != want || r.State != l.batches[i].State {
			t.Errorf("%s: %q, %q", l.batches[i].State, r.State, r.Reason)
		}
		// What Livy still lists is found by its name as by its id.
		if id, err := f.IDOf(t.Context(), f.g.ID, livy.KindBatch, r.Name, true); err != nil || id != int64(i) {
			t.Errorf("%s by its name: %d, %v", r.State, id, err)
		}
	}
	// A poll between a delete and its reply.
	f.Deleted(t.Context(), f.g, livy.KindBatch, 2, "token lctk-1")
	if r := f.record(livy.KindBatch, 2); r.Reason != "deleted by token lctk-1" {
		t.Errorf("deleted: %q", r.Reason)
	}
	// Removing what ended long ago does not change why.
	f.now = f.now.Add(time.Hour)
	f.Deleted(t.Context(), f.g, livy.KindBatch, 0, "token lctk-1")
	if r := f.record(livy.KindBatch, 0); r.State != "dead" || !strings.Contains(r.Reason, "failed") {
		t.Errorf("removed later: %q, %q", r.State, r.Reason)
	}
	f.create(livy.KindSession, 0)
	f.Stopped(t.Context(), f.g, livy.KindSession, 0, "interrupted by token lctk-1")
	if r := f.record(livy.KindSession, 0); r.State != "killed" || r.Reason != "interrupted by token lctk-1" {
		t.Errorf("interrupted: %q, %q", r.State, r.Reason)
	}
}
