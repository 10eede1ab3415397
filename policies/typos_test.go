package policies

import (
	"fmt"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
)

func blacklistTypos(t *testing.T, text string) []string {
	t.Helper()
	var found Typing
	found.Blacklist(blacklist(t, text))
	return found.Notes()
}

func TestTypos(t *testing.T) {
	rules, _, err := ParseRules(File{Name: "policy.rules", Text: `max spark.sql.shuffle.partitons 100
max spark.sql.shuffle.partitions 100
allow exectorMemory 1g
allow kind pyspark
max spark.myapp.x 1
require livy.rsc.retained-statments
require hunter2
`})
	if err != nil {
		t.Fatal(err)
	}
	defaults, err := livy.ParseProperties("spark.executor.memroy 1g\nspark.executor.memory 1g\nspark.hadoop.fs.s3a.endpont x\nspark.yarn.driver.memoryOverhead 1g\n")
	if err != nil {
		t.Fatal(err)
	}
	var found Typing
	found.Properties("spark-defaults.conf", defaults)
	found.Blacklist(blacklist(t, "# x\nspark.yran.*\nspark.yarn.*\nspark.driver.memry\nproxyuser\nproxyUser\nspark.x.y.*\n"))
	found.Rules(rules, nil)
	got := found.Notes()
	want := []string{
		"spark-defaults.conf:1: spark.executor.memroy is not a setting that Spark 3.5 knows; did you mean spark.executor.memory?",
		"spark-blacklist.conf:2: no setting that Spark 3.5 knows begins with spark.yran.; did you mean spark.yarn.*?",
		"spark-blacklist.conf:4: spark.driver.memry is not a setting that Spark 3.5 knows; did you mean spark.driver.memory?",
		"spark-blacklist.conf:5: neither a Spark setting nor a field of a create request; did you mean proxyUser?",
		"policy.rules:1: spark.sql.shuffle.partitons is not a setting that Spark 3.5 knows; did you mean spark.sql.shuffle.partitions?",
		"policy.rules:3: neither a Spark setting nor a field of a create request; did you mean executorMemory?",
		"policy.rules:6: livy.rsc.retained-statments is not a setting that Livy 0.8.0 knows; did you mean livy.rsc.retained-statements?",
		"policy.rules:7: neither a Spark setting nor a field of a create request",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestManyTypos(t *testing.T) {
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "spark.x%d.memroy\nspark.exectuor.memory\n", i)
	}
	got := blacklistTypos(t, b.String())
	if len(got) != 11 || got[10] != "and 240 more keys like these" {
		t.Errorf("%d: %q", len(got), got)
	}
}

// The list that is recommended, the words of the documentation and the tables of the
// gateway itself must not be taken for typos.
func TestNoFalseTypos(t *testing.T) {
	var found Typing
	for _, f := range families {
		for _, key := range append(f.members(), f.related...) {
			found.Blacklist([]Denied{{Key: key, Source: "families"}})
		}
	}
	if got := found.Notes(); len(got) > 0 {
		t.Errorf("families: %q", got)
	}
	if got := blacklistTypos(t, RecommendedBlacklist); len(got) > 0 {
		t.Errorf("recommended: %q", got)
	}
}

func BenchmarkTypo(b *testing.B) {
	list := blacklist(b, "spark.something.executor.batchSizeOfIt\n")
	for b.Loop() {
		var found Typing
		found.Blacklist(list)
	}
}
