package sessions_test

import (
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy"
)

// TestAClockThatIsSet sets the clock while a batch runs: it counts for as long as it ran.
func TestAClockThatIsSet(t *testing.T) {
	const minute = time.Minute
	for name, tt := range map[string]struct {
		set     []time.Duration // after so many minutes each, with a poll each minute
		want    time.Duration
		deleted bool // at once after the last time, before a poll
	}{
		"not at all":               {[]time.Duration{0, 0, 0}, 3 * minute, false},
		"an hour ahead":            {[]time.Duration{0, time.Hour, 0}, 3 * minute, false},
		"a day ahead":              {[]time.Duration{24 * time.Hour, 0, 0}, 3 * minute, false},
		"an hour back":             {[]time.Duration{0, -time.Hour, 0}, 3 * minute, false},
		"ahead and back":           {[]time.Duration{time.Hour, 0, -time.Hour, 0}, 4 * minute, false},
		"at its end":               {[]time.Duration{0, 0, time.Hour}, 3 * minute, false},
		"ahead, and it is deleted": {[]time.Duration{0, 0, time.Hour}, 3 * minute, true},
		"back, and it is deleted":  {[]time.Duration{0, 0, -time.Hour}, 3 * minute, true},
		"by a second":              {[]time.Duration{0, time.Second, 0}, 3*minute + time.Second, false},
		"by many seconds":          {[]time.Duration{time.Second, time.Second, time.Second, 0, 0}, 5 * minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			steady := time.Duration(0)
			f.CompareClock(func() time.Duration { return steady })
			f.create(livy.KindBatch, 0)
			at := func(state string) *lists {
				r := f.record(livy.KindBatch, 0)
				return &lists{batches: []livy.Batch{{ID: 0, Name: r.Name, State: state}}}
			}
			f.poll(at("running"))
			for i, by := range tt.set {
				f.now, steady = f.now.Add(minute+by), steady+minute
				switch last := i == len(tt.set)-1; {
				case last && tt.deleted:
					f.Deleted(t.Context(), f.g, livy.KindBatch, 0, "ann")
				case last:
					f.poll(at("success"))
				default:
					f.poll(at("running"))
				}
			}
			r := f.record(livy.KindBatch, 0)
			if got := r.Ended.Sub(r.Started); got != tt.want || r.VCoreSeconds != 1.3*tt.want.Seconds() {
				t.Errorf("it counts for %s and %.1f vCore-seconds, want %s", got, r.VCoreSeconds, tt.want)
			}
		})
	}
}

// TestWhatBeginsAfterTheClockWasSet checks that a start by the clock as it is now stays, and that
// nothing is corrected after a time in which others may have followed the gateway.
func TestWhatBeginsAfterTheClockWasSet(t *testing.T) {
	f := newFixture(t)
	steady := time.Duration(0)
	f.CompareClock(func() time.Duration { return steady })
	f.poll(&lists{})
	f.now, steady = f.now.Add(time.Hour+30*time.Second), steady+30*time.Second
	in := f.create(livy.KindBatch, 0)
	begun := f.now
	f.now, steady = f.now.Add(time.Second), steady+time.Second
	running := &lists{batches: []livy.Batch{{ID: 0, Name: in.Name, State: "running"}}}
	f.poll(running)
	f.poll(running)
	if r := f.record(livy.KindBatch, 0); r.Started.Before(begun) || r.Started.After(f.now) {
		t.Errorf("it began at %s, by the record at %s", begun, r.Started)
	}
	was := f.record(livy.KindBatch, 0).Started
	f.now, steady = f.now.Add(2*time.Hour), steady+time.Hour
	f.poll(running)
	if r := f.record(livy.KindBatch, 0); !r.Started.Equal(was) {
		t.Errorf("after an hour without a look, its start was moved from %s to %s", was, r.Started)
	}
}
