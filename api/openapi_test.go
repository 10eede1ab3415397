package api_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/openapi"
)

var update = flag.Bool("update", false, "write openapi.json and the generated part of docs/api.md")

// The generated part of docs/api.md lies between these lines.
const (
	docFile  = "../docs/api.md"
	docBegin = "<!-- generated from api/routes.go by: go test ./api -run TestDoc -update -->\n"
	docEnd   = "<!-- end of the generated part -->\n"
)

// TestDocs checks that the table of calls says what the code does.
func TestDocs(t *testing.T) {
	raw, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), docBegin)
	_, after, ok2 := strings.Cut(rest, docEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no generated part", docFile)
	}
	want := before + docBegin + "\n" + openapi.Table() + "\n" + docEnd + after
	if *update {
		if err := os.WriteFile(docFile, []byte(want), 0o644); err != nil { // a document
			t.Fatal(err)
		}
		return
	}
	if want != string(raw) {
		t.Errorf("%s is not up to date: go test ./api -run TestDoc -update", docFile)
	}
}

// TestDocument checks that openapi.json says what the code does.
func TestDocument(t *testing.T) {
	want, err := openapi.Document("..")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil { // a document
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Error("openapi.json is not up to date: go test ./api -run TestDoc -update")
	}
}
