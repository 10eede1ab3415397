package policies

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestParseRules(t *testing.T) {
	got, granted, err := ParseRules(File{Name: "policy.rules", Text: `# sizes
max spark.executor.memory 8g lower   # quietly
max numExecutors 20

allow kind pyspark sql refuse
require spark.app.name
allow-conf spark.myteam.* spark.executorEnv.JAVA_HOME # two
allow-class com.example.*
allow-scheme https
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
	wantGrants := []Grant{
		{What: GrantConf, Name: "spark.myteam.*", Source: "policy.rules:7"},
		{What: GrantConf, Name: "spark.executorEnv.JAVA_HOME", Source: "policy.rules:7"},
		{What: GrantClass, Name: "com.example.*", Source: "policy.rules:8"},
		{What: GrantScheme, Name: "https", Source: "policy.rules:9"},
	}
	if !reflect.DeepEqual(granted, wantGrants) {
		t.Errorf("got  %+v\nwant %+v", granted, wantGrants)
	}
}

// TestRulesFromElsewhere reads rules as editors and web pages leave them.
func TestRulesFromElsewhere(t *testing.T) {
	got, _, err := ParseRules(File{Name: "policy.rules", Text: "\ufeff# sizes\r\nmax\u00a0spark.executor.memory 8g lower\r\n"})
	if err != nil || len(got) != 1 || got[0].Max != "8g" || got[0].Source != "policy.rules:2" {
		t.Errorf("%+v, %v", got, err)
	}
	_, _, err = ParseRules(File{Name: "policy.rules", Text: "max spark.executor.memory\u200b 8g"})
	if err == nil || !strings.HasPrefix(err.Error(), "policy.rules:1: holds a zero-width space (U+200B)") {
		t.Error(err)
	}
}

func TestParseRulesErrors(t *testing.T) {
	for _, text := range []string{
		"max", "max a", "max a 1 2", "max a lower", "allow a", "allow a lower", "require", "require a b", "min a 1", "maximum a 1", "allow-conf", "allow-jar x",
	} {
		_, _, err := ParseRules(File{Name: "policy.rules", Text: "\n" + text})
		var e *gateway.Error
		if !errors.As(err, &e) || e.Field != "policy.rules:2" || !strings.Contains(e.Rule, "max KEY VALUE") {
			t.Errorf("%q: error %v, want one that names line 2 and the syntax", text, err)
		}
	}
}
