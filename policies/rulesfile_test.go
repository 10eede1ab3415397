package policies

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/gateway"
)

func TestParseRules(t *testing.T) {
	got, err := ParseRules(File{Name: "policy.rules", Text: `# sizes
max spark.executor.memory 8g lower   # quietly
max numExecutors 20

allow kind pyspark sql refuse
require spark.app.name
`})
	if err != nil {
		t.Fatal(err)
	}
	want := []Rule{
		{Key: "spark.executor.memory", Max: "8g", Action: Lower, Source: "policy.rules:2"},
		{Key: "numExecutors", Max: "20", Source: "policy.rules:3"},
		{Key: "kind", Allowed: []string{"pyspark", "sql"}, Action: Refuse, Source: "policy.rules:5"},
		{Key: "spark.app.name", Required: true, Source: "policy.rules:6"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseRulesErrors(t *testing.T) {
	for _, text := range []string{
		"max", "max a", "max a 1 2", "max a lower", "allow a", "allow a lower", "require", "require a b", "min a 1", "maximum a 1",
	} {
		_, err := ParseRules(File{Name: "policy.rules", Text: "\n" + text})
		var e *gateway.Error
		if !errors.As(err, &e) || e.Field != "policy.rules:2" || !strings.Contains(e.Rule, "max KEY VALUE") {
			t.Errorf("%q: error %v, want one that names line 2 and the syntax", text, err)
		}
	}
}
