package doctor

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
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

func TestSizes(t *testing.T) {
	const gib = 1 << 30
	listed := gateway.Catalog{CPUs: []int{1, 2, 4}, Memories: []string{"4Gi", "16Gi", "64Gi"}}
	for name, tt := range map[string]struct {
		catalog gateway.Catalog
		cores   int
		memory  int64
		want    string // part of the warning; none if empty
	}{
		"all fit":         {listed, 8, 128 * gib, ""},
		"too much memory": {listed, 8, 23 * gib, "64Gi: the machine has only 8 cores and 23.0 GiB"},
		"too many cores":  {listed, 1, 128 * gib, "2 cores, 4 cores: the machine has only 1 core"},
		"the kernel's own": {
			gateway.Catalog{Memories: []string{"16Gi"}}, 8, 15*gib + gib/2, "",
		},
		"an unknown machine": {listed, 0, 0, ""},
		"nothing listed":     {gateway.Catalog{}, 1, gib, ""},
	} {
		got := Sizes(&tt.catalog, tt.cores, tt.memory)
		if tt.want == "" && len(got) == 0 {
			continue
		}
		if len(got) != 1 || got[0].Status != Warn || tt.want == "" || !strings.Contains(got[0].Summary, tt.want) {
			t.Errorf("%s: %+v, want %q", name, got, tt.want)
		}
	}
	if MachineMemory() < gib/8 {
		t.Errorf("this machine has %d bytes", MachineMemory())
	}
}
