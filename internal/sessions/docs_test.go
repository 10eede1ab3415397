package sessions_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/policies"
)

// TestEveryFieldIsDocumented compares the tables of docs/sessions.md with what is
// stored.
func TestEveryFieldIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/sessions.md")
	if err != nil {
		t.Fatal(err)
	}
	tables := strings.Split(string(text), "| field | meaning |\n|---|---|\n")
	if len(tables) != 3 {
		t.Fatalf("%d tables of fields, want 2", len(tables)-1)
	}
	for i, of := range []reflect.Type{reflect.TypeFor[store.Record](), reflect.TypeFor[policies.Effective]()} {
		documented := documentedFields(tables[i+1])
		for field := range of.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			if !slices.Contains(documented, name) {
				t.Errorf("%s of %s is not documented", name, of)
			}
			documented = slices.DeleteFunc(documented, func(s string) bool { return s == name })
		}
		if len(documented) > 0 {
			t.Errorf("%s has no %v", of, documented)
		}
	}
}

var quoted = regexp.MustCompile("`([^`]+)`")

// documentedFields are the names in the first column of a table.
func documentedFields(table string) (names []string) {
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			return names
		}
		column, _, _ := strings.Cut(line[1:], "|")
		for _, m := range quoted.FindAllStringSubmatch(column, -1) {
			names = append(names, m[1])
		}
	}
	return names
}
