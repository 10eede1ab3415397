package integration

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

// TestPoliciesKnowSparksNames holds the policies' table of names against Spark's own:
// what is blacklisted by one name that Spark reads must go by all.
func TestPoliciesKnowSparksNames(t *testing.T) {
	for _, j := range startJudges(t) {
		tried := 0
		for _, key := range slices.Sorted(maps.Keys(j.known.Settings)) {
			for _, other := range j.known.Settings[key] {
				tried++
				for _, c := range [][2]string{{key, other}, {other, key}} {
					if c[0] == c[1] {
						continue
					}
					p, err := policies.Compile(policies.Settings{Blacklist: blacklist(t, c[0])})
					if err != nil {
						t.Fatal(err)
					}
					body, err := json.Marshal(map[string]any{"file": "hdfs:///x.jar", "conf": map[string]string{c[1]: "1"}})
					if err != nil {
						t.Fatal(err)
					}
					r, err := p.Create(livy.KindBatch, "", "", bytes.NewReader(body))
					if err == nil && readCreate(t, r.Body).Conf != nil {
						t.Errorf("Spark %s reads %s as %s: with %s blacklisted, %s comes through", j.spark, other, key, c[0], c[1])
					}
				}
			}
		}
		t.Logf("Spark %s: %d other names", j.spark, tried)
		if tried < 50 {
			t.Errorf("Spark %s knows %d other names, want at least 50", j.spark, tried)
		}
	}
}
