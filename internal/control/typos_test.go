package control

import (
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

func TestTyposOfAGateway(t *testing.T) {
	spec := gateway.Spec{
		Name:           "etl",
		LivyConf:       "livy.server.session.timeout 1h\n# x\nlivy.server.sesion.timeout 2h\nlivy.server.session.timout-check.skip-busy false\n",
		LivyClientConf: "livy.rsc.retained-statments 5\nspark.executor.memroy 1g\nspark.myapp.x 1\n",
		SparkDefaults:  "spark.sql.shuffle.partitionss 5\n",
		SparkBlacklist: "spark.yarn.quue\n",
		PolicyRules:    "max spark.sql.shuffle.partitons 100\n",
	}
	want := []string{
		"spark-defaults.conf:1: spark.sql.shuffle.partitionss is not a setting that Spark 3.5 knows; did you mean spark.sql.shuffle.partitions?",
		"spark-blacklist.conf:1: spark.yarn.quue is not a setting that Spark 3.5 knows; did you mean spark.yarn.queue?",
		"policy.rules:1: spark.sql.shuffle.partitons is not a setting that Spark 3.5 knows; did you mean spark.sql.shuffle.partitions?",
		"livy.conf:3: livy.server.sesion.timeout is not a setting that Livy 0.8.0 knows; did you mean livy.server.session.timeout?",
		"livy.conf:4: livy.server.session.timout-check.skip-busy is not a setting that Livy 0.8.0 knows; did you mean livy.server.session.timeout-check.skip-busy?",
		"livy-client.conf:1: livy.rsc.retained-statments is not a setting that Livy 0.8.0 knows; did you mean livy.rsc.retained-statements?",
		"livy-client.conf:2: spark.executor.memroy is not a setting that Spark 3.5 knows; did you mean spark.executor.memory?",
	}
	if got := Typos(&spec); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	g, err := m.Create(t.Context(), CreateRequest{Spec: spec, Origin: gateway.Origin{Actor: "ann"}})
	if err != nil {
		t.Fatalf("what looks mistyped is refused: %v", err)
	}
	if notes := strings.Join(m.Notes(g), "\n"); !strings.Contains(notes, want[0]) || !strings.Contains(notes, want[3]) {
		t.Errorf("notes: %s", notes)
	}
	if _, notes, err := m.Rules(g); err != nil || !strings.Contains(strings.Join(notes, "\n"), want[2]) || !strings.Contains(strings.Join(notes, "\n"), "holds only for requests that set spark.sql.shuffle.partitons") {
		t.Errorf("notes of the policy: %v, %v", notes, err)
	}
	ok := gateway.Spec{LivyConf: "livy.server.session.timeout 1h\n", SparkDefaults: "spark.myteam.flag 1\nspark.hadoop.fs.x y\n"}
	if got := Typos(&ok); len(got) > 0 {
		t.Errorf("%q", got)
	}
}
