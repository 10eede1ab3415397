package policies

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	for name, tt := range map[string]struct {
		report Report
		want   []string
	}{
		"nothing": {Report{}, nil},
		"ignored": {
			Report{Ignored: []Entry{
				{Key: "spark.sql.shuffle.partitions", Given: "9", Rule: "is blacklisted", Source: "spark-blacklist.conf:1"},
				{Key: "spark.livy.x", Rule: "x", Source: builtIn, Quiet: true},
				{Key: "spark.a", Rule: "Livy sets it", Source: builtIn},
				{Key: "spark.b", Rule: "x", Source: "environment analytics"},
			}},
			[]string{
				"Livy Gateway ignored spark.sql.shuffle.partitions: spark-blacklist.conf, line 1",
				"Livy Gateway ignored spark.a: Livy sets it",
				"Livy Gateway ignored spark.b: environment analytics",
			},
		},
		"lowered": {
			Report{Lowered: []Entry{
				{Key: "executorMemory", Given: "30g", Set: "8g", Rule: "at most", Source: "policy.rules:2"},
				{Key: "numExecutors", Set: "4", Source: "policy.rules:3"},
			}},
			[]string{
				"Livy Gateway set executorMemory to 8g instead of 30g: policy.rules, line 2",
				"Livy Gateway set numExecutors to 4: policy.rules, line 3",
			},
		},
		"forced": {
			Report{Forced: []Entry{
				{Key: "spark.x", Set: "1", Source: "cluster c"},
				{Key: "queue", Given: "root.a", Set: "root.b", Source: "queue"},
				{Key: "spark.my.password", Given: "(redacted)", Set: "hunter2", Source: "environment e"},
				{Key: "spark.same", Given: "1", Set: "1", Source: "environment e"},
			}},
			[]string{
				"Livy Gateway set queue to root.b instead of root.a: queue",
				"Livy Gateway set spark.my.password: environment e",
			},
		},
		"line breaks": {
			Report{Ignored: []Entry{{Key: "a\nb", Source: "x"}}}, []string{"Livy Gateway ignored a b: x"},
		},
	} {
		if got := tt.report.Lines(); !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
	var many Report
	for i := range 50 {
		many.Ignored = append(many.Ignored, Entry{Key: fmt.Sprint(i), Source: "x"})
	}
	if got := many.Lines(); len(got) != maxLines+1 || !strings.Contains(got[maxLines], "30 more") {
		t.Errorf("many: %d lines, the last is %q", len(got), got[len(got)-1])
	}
}
