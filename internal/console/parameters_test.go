package console

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/golden"
)

// TestParameters holds the form's table of parameters to those that gateways have, and to
// what the API's description says of them.
func TestParameters(t *testing.T) {
	text, err := os.ReadFile("../api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct {
					Description string          `json:"description"`
					Type        json.RawMessage `json:"type"`
					Ref         string          `json:"$ref"`
				} `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("// Written by: go test ./internal/console -run TestParameters -update\n\n" +
		"/** @type {{field: string, flag: string, file: string, type: string, atStart: boolean, now: boolean, usage: string, help: string}[]} */\n" +
		"export const table = [\n")
	for _, p := range gateway.Parameters() {
		property, ok := document.Components.Schemas["Spec"].Properties[p.Field]
		if !ok {
			t.Fatalf("openapi.json has no %s", p.Field)
		}
		kind := strings.Trim(string(property.Type), `"`)
		if property.Ref != "" {
			kind = "object"
		}
		// The description begins with the name that the field has in Go.
		_, help, _ := strings.Cut(property.Description, " ")
		line, err := json.Marshal(map[string]any{
			"field": p.Field, "flag": p.Flag, "file": p.File, "type": kind, "atStart": p.AtStart, "now": p.Now,
			"usage": p.Usage, "help": "This " + help,
		})
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("  " + string(line) + ",\n")
	}
	b.WriteString("];\n")
	golden.File(t, "static/table.js", b.String())

	settings, err := os.ReadFile("static/parameters.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range gateway.Parameters() {
		if !strings.Contains(string(settings), "  "+p.Field+": '") {
			t.Errorf("static/parameters.js has no label for %s", p.Field)
		}
	}
}
