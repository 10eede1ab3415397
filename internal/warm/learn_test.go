package warm

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

func TestDemand(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	record := func(kind, driver string, days float64) *store.Record {
		return &store.Record{
			Kind: "session", TokenID: "t", Created: now.Add(-time.Duration(days * float64(24*time.Hour))), Policy: json.RawMessage(`{}`),
			Resources: json.RawMessage(fmt.Sprintf(`{"kind":%q,"driverMemory":%q,"driverCores":1,"executorMemory":"1g","executorCores":1}`, kind, driver)),
		}
	}
	batch, stranger, unread := record("spark", "1g", 0), record("spark", "1g", 0), record("spark", "1g", 0)
	batch.Kind, stranger.TokenID, unread.Resources = "batch", "", nil
	got := Demand([]*store.Record{
		record("sql", "1g", 6.9), record("sql", "1g", 6.1), record("pyspark", "2g", 0), record("sql", "1g", 7),
		record("pyspark", "2g", 1.5), record("pyspark", "3g", -0.1), batch, stranger, unread,
	}, now)
	want := []Asked{{Creates: 2, Weight: 13}, {Creates: 1, Weight: 7}, {Creates: 2, Weight: 2}}
	for i, shape := range []string{"pyspark 2g", "pyspark 3g", "sql 1g"} {
		if i >= len(got) || got[i].Warm.Kind+" "+got[i].Warm.DriverMemory != shape || got[i].Creates != want[i].Creates || got[i].Weight != want[i].Weight {
			t.Fatalf("%d: %+v, want %s with %+v", i, got, shape, want[i])
		}
	}
	var many []*store.Record
	for i := range maxAsked + 5 {
		many = append(many, record("sql", fmt.Sprintf("%dm", 512+i), 3))
	}
	if got := Demand(append(many, record("spark", "9g", 0)), now); len(got) != maxAsked || got[0].Warm.Kind != "spark" {
		t.Errorf("%d shapes, the first %+v", len(got), got[0].Warm)
	}
}

func TestLearn(t *testing.T) {
	asked := func(kind, shape string, creates, weight int) Asked {
		return Asked{Warm: gateway.Warm{Kind: kind}, Shape: shape, Creates: creates, Weight: weight}
	}
	for name, test := range map[string]struct {
		n      int
		asked  []Asked
		others map[string]bool
		want   map[string]int
	}{
		"nothing":             {n: 2},
		"one":                 {n: 2, asked: []Asked{asked("spark", "a", 3, 3)}, want: map[string]int{"spark": 2}},
		"too few":             {n: 2, asked: []Asked{asked("spark", "a", 2, 14)}},
		"the same shape":      {n: 1, asked: []Asked{asked("spark", "a", 2, 2), asked("spark", "a", 1, 7)}, want: map[string]int{"spark": 1}},
		"half each":           {n: 2, asked: []Asked{asked("spark", "a", 9, 60), asked("sql", "b", 9, 50)}, want: map[string]int{"spark": 1, "sql": 1}},
		"far more":            {n: 2, asked: []Asked{asked("spark", "a", 9, 60), asked("sql", "b", 9, 20)}, want: map[string]int{"spark": 2}},
		"newer creates":       {n: 1, asked: []Asked{asked("spark", "a", 9, 9), asked("sql", "b", 3, 21)}, want: map[string]int{"sql": 1}},
		"no more than wanted": {n: 3, asked: []Asked{asked("spark", "a", 3, 5), asked("sql", "b", 3, 5), asked("pyspark", "c", 3, 5), asked("sparkr", "d", 3, 4)}, want: map[string]int{"spark": 1, "sql": 1, "pyspark": 1}},
		"a line has it":       {n: 1, asked: []Asked{asked("spark", "a", 9, 60), asked("sql", "b", 3, 20)}, others: map[string]bool{"a": true}, want: map[string]int{"sql": 1}},
		"not ruled":           {n: 1, asked: []Asked{asked("spark", "", 9, 60)}},
	} {
		t.Run(name, func(t *testing.T) {
			var got map[string]int
			for _, w := range Learn(test.n, test.asked, test.others) {
				if got == nil {
					got = make(map[string]int)
				}
				got[w.Kind] += w.Count
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}
