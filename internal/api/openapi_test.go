package api_test

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/golden"
	"github.com/livygateway/livygateway/internal/openapi"
)

// TestDocs checks that the list of calls agrees with the code.
func TestDocs(t *testing.T) {
	var b strings.Builder
	for _, call := range openapi.Calls() {
		b.WriteString(golden.Wrap(call, "- ", "  "))
	}
	golden.Part(t, "../../docs/api.md", "<!-- generated from api/routes.go by: go test ./internal/api -run TestDoc -update -->", "<!-- end of the generated part -->",
		"\n"+b.String()+"\n")
}

// TestDocsOfRoles checks that the table of roles agrees with the code.
func TestDocsOfRoles(t *testing.T) {
	golden.Part(t, "../../docs/access.md", "<!-- generated from api/routes.go by: go test ./internal/api -run TestDoc -update -->", "<!-- end of the generated part -->",
		"\n"+openapi.Roles()+"\n")
}

// TestDocument checks that openapi.json agrees with the code.
func TestDocument(t *testing.T) {
	want, err := openapi.Document("../..")
	if err != nil {
		t.Fatal(err)
	}
	golden.File(t, "openapi.json", string(want))
}
