package warm

import (
	"reflect"
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	session := func(id, shape, state string, change ...func(*Session)) Session {
		s := Session{ID: id, Shape: shape, Current: true, State: state, Created: now.Add(-time.Minute), Expires: now.Add(time.Hour), MemoryMB: 1024}
		for _, c := range change {
			c(&s)
		}
		return s
	}
	two := []Wanted{{"a", 1, 1024}, {"b", 1, 2048}}
	for name, test := range map[string]struct {
		wanted  []Wanted
		have    []Session
		free    int64
		bounded bool
		want    Plan
	}{
		"nothing":           {want: Plan{Start: -1}},
		"the first":         {wanted: two, want: Plan{Start: 0, Missing: 2}},
		"one at a time":     {wanted: two, have: []Session{session("1", "a", "starting")}, want: Plan{Start: -1, Missing: 1}},
		"the next":          {wanted: two, have: []Session{session("1", "a", "idle")}, want: Plan{Start: 1, Missing: 1}},
		"complete":          {wanted: two, have: []Session{session("1", "a", "idle"), session("2", "b", "idle")}, want: Plan{Start: -1}},
		"no room":           {wanted: two, have: []Session{session("1", "a", "idle")}, free: 2048, bounded: true, want: Plan{Start: -1, Missing: 1, NoRoom: true}},
		"room":              {wanted: two, have: []Session{session("1", "a", "idle")}, free: 3072, bounded: true, want: Plan{Start: 1, Missing: 1}},
		"a smaller one":     {wanted: []Wanted{{"b", 1, 2048}, {"a", 1, 1024}}, free: 1024, bounded: true, want: Plan{Start: 1, Missing: 2, NoRoom: true}},
		"gives way":         {wanted: two[:1], have: []Session{session("1", "a", "idle")}, free: 1000, bounded: true, want: Plan{Start: -1, Missing: 1, NoRoom: true, End: []End{{"1", ReasonMemory}}}},
		"other settings":    {wanted: two[:1], have: []Session{session("1", "c", "idle")}, want: Plan{Start: 0, Missing: 1, End: []End{{"1", ReasonSettings}}}},
		"surplus":           {wanted: two[:1], have: []Session{session("1", "a", "idle"), session("2", "a", "idle")}, want: Plan{Start: -1, End: []End{{"2", ReasonSurplus}}}},
		"another server":    {wanted: two[:1], have: []Session{session("1", "a", "idle", func(s *Session) { s.Current = false })}, want: Plan{Start: 0, Missing: 1, End: []End{{"1", ReasonServer}}}},
		"aged":              {wanted: two[:1], have: []Session{session("1", "a", "idle", func(s *Session) { s.Expires = now })}, want: Plan{Start: 0, Missing: 1, End: []End{{"1", ReasonAge}}}},
		"dead":              {wanted: two[:1], have: []Session{session("1", "a", "dead")}, want: Plan{Start: 0, Missing: 1, End: []End{{"1", ReasonFailed}}}},
		"not listed yet":    {wanted: two[:1], have: []Session{session("1", "a", "")}, want: Plan{Start: -1}},
		"create on its way": {wanted: two[:1], have: []Session{session("1", "c", "")}, want: Plan{Start: -1, Missing: 1}},
		"never listed":      {wanted: two[:1], have: []Session{session("1", "a", "", func(s *Session) { s.Created = now.Add(-lost - 1) })}, want: Plan{Start: 0, Missing: 1, End: []End{{"1", ReasonFailed}}}},
		"starts for ever":   {wanted: two[:1], have: []Session{session("1", "a", "starting", func(s *Session) { s.Created = now.Add(-StartTimeout - 1) })}, want: Plan{Start: 0, Missing: 1, End: []End{{"1", ReasonFailed}}}},
		"end interrupted":   {have: []Session{session("1", "a", "idle", func(s *Session) { s.Ending = true })}, want: Plan{Start: -1, End: []End{{"1", ""}}}},
		"same shape twice":  {wanted: []Wanted{two[0], two[0]}, have: []Session{session("1", "a", "idle")}, want: Plan{Start: 0, Missing: 1}},
		"all switched off":  {have: []Session{session("1", "a", "starting")}, want: Plan{Start: -1, End: []End{{"1", ReasonSettings}}}},
		"memory of the end": {wanted: two[:1], have: []Session{session("1", "c", "idle", func(s *Session) { s.Ending = true })}, free: 1500, bounded: true, want: Plan{Start: -1, Missing: 1, NoRoom: true, End: []End{{"1", ""}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Next(test.wanted, test.have, now, test.free, test.bounded); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}
