package sessions_test

import (
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// A create that failed for its client, and a batch that is over before Livy is asked.
func TestAFailedCreateThatRan(t *testing.T) {
	f := newFixture(t)
	in := f.intent(livy.KindBatch)
	f.begin(in).Failed(t.Context(), "Livy answered 500")
	f.now = f.now.Add(time.Hour)
	over := &lists{batches: []livy.Batch{{ID: 0, Name: in.Name, State: "success"}}}
	f.poll(over)
	f.poll(over)
	if r := f.byID(in.ID); r.State != "success" || r.Live() || r.VCoreSeconds != 1.3*3600 {
		t.Errorf("%+v", r)
	}
	for state, want := range map[string]int64{"error": 0, "success": 1, "": 1} {
		for _, token := range []string{"", "lctk-1"} {
			if _, total, err := f.store.Records(t.Context(), f.g.ID, store.RecordFilter{State: state, TokenID: token}, 0, 9); total != want || err != nil {
				t.Errorf("%d are listed in state %q of token %q, want %d, %v", total, state, token, want, err)
			}
		}
	}
	usage, err := f.Usage(t.Context(), f.g.ID, "", "")
	if err != nil || len(usage) == 0 {
		t.Fatalf("%+v, %v", usage, err)
	}
	hours := 0.0
	for _, u := range usage {
		hours += u.VCoreHours
	}
	if hours < 1.299 || hours > 1.301 {
		t.Errorf("%f vCore-hours", hours)
	}
}
