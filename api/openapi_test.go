package api_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/livygateway/livygateway/internal/openapi"
)

var update = flag.Bool("update", false, "write openapi.json and the generated part of docs/api.md")

// TestDocument checks that openapi.json says what the code does.
func TestDocument(t *testing.T) {
	want, err := openapi.Document("..")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Error("openapi.json is not up to date: go test ./api -run TestDocument -update")
	}
}
