package control

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestTyposOfAGateway: they are in the notes of the gateway and of its policy.
func TestTyposOfAGateway(t *testing.T) {
	spec := gateway.Spec{
		Name:        "etl",
		LivyConf:    "livy.server.sesion.timeout 2h\n",
		PolicyRules: "max spark.sql.shuffle.partitons 100\n",
	}
	want := []string{
		"policy.rules:1: spark.sql.shuffle.partitons is not a setting that Spark 3.5 knows",
		"livy.conf:1: livy.server.sesion.timeout is not a setting that Livy 0.8.0 knows",
	}
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	g, err := m.Create(t.Context(), CreateRequest{Spec: spec, Origin: gateway.Origin{Actor: "ann"}})
	if err != nil {
		t.Fatalf("what looks mistyped is refused: %v", err)
	}
	notes := strings.Join(m.Notes(g), "\n")
	_, ofPolicy, err := m.Rules(g)
	if err != nil {
		t.Fatal(err)
	}
	rules := strings.Join(ofPolicy, "\n")
	for _, note := range want {
		if !strings.Contains(notes, note) || !strings.Contains(rules, note) {
			t.Errorf("%s: missing in the notes of the gateway or of its policy:\n%s\n\n%s", note, notes, rules)
		}
	}
	if !strings.Contains(rules, "applies only to requests that set spark.sql.shuffle.partitons") {
		t.Errorf("notes of the policy: %s", rules)
	}
}
