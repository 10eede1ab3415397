package doctor

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := Run(t.Context(),
			func(context.Context) []Result {
				time.Sleep(time.Second) // results keep their order all the same
				return []Result{Good("a", "fine"), Warning("b", "so so", "mend it")}
			},
			func(context.Context) []Result { return []Result{Failure("c", "broken", "mend it")} },
			func(context.Context) []Result { time.Sleep(time.Minute); return nil },
		)
		var checks []string
		for _, res := range r.Results {
			checks = append(checks, res.Check)
		}
		if !slices.Equal(checks, []string{"a", "b", "c", "doctor"}) || r.OK != 1 || r.Warned != 1 || r.Failed != 2 {
			t.Errorf("%+v", r)
		}
		time.Sleep(time.Hour) // what was left behind ends
	})
}

func TestMachine(t *testing.T) {
	const gib = 1 << 30
	for _, tt := range []struct {
		name string
		got  Result
		want Status
	}{
		{"room", judgeDisk("disk", 50*gib, 100*gib), OK},
		{"little room", judgeDisk("disk", 2*gib, 100*gib), Warn},
		{"no room", judgeDisk("disk", gib/10, 100*gib), Fail},
		{"clock", judgeClock(false, time.Now()), OK},
		{"wild clock", judgeClock(true, time.Now()), Warn},
		{"ports", judgePorts(32768, 60999, 100), OK},
		{"few ports", judgePorts(32768, 60999, 28000), Warn},
		{"this disk", Disk("disk", t.TempDir()+"/none/yet"), Disk("disk", t.TempDir()).Status},
	} {
		if tt.got.Status != tt.want || (tt.want == OK) != (tt.got.Mend == "") {
			t.Errorf("%s: %+v, want %s", tt.name, tt.got, tt.want)
		}
	}
	if r := Ports(); r.Summary == "" || r.Check != "free ports" {
		t.Errorf("%+v", r)
	}
}
