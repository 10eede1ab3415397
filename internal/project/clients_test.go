package project

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/golden"
)

// TestClients makes the table in docs/clients.md from what the integration tests wrote, and
// holds its versions to those that are pinned.
func TestClients(t *testing.T) {
	var runs []struct {
		Client, Version, Pin, Package, Login, Ran, Result, Test string
		Seconds                                                 int
	}
	if err := json.Unmarshal([]byte(read(t, "integration/testdata/clients.json")), &runs); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| client | version | login | what was run | result | time | test |\n|---|---|---|---|---|---|---|\n")
	for _, r := range runs {
		pinned := "\n" + r.Package + "==" + r.Version + "\n"
		if strings.HasSuffix(r.Pin, ".xml") {
			pinned = "<artifactId>" + r.Package + "</artifactId><version>" + r.Version + "-incubating</version>"
		}
		if r.Pin != "" && !strings.Contains("\n"+read(t, r.Pin), pinned) {
			t.Errorf("%s ran in version %s, which %s does not pin: run %s with -update", r.Client, r.Version, r.Pin, r.Test)
		}
		r.Test = cmp.Or(r.Test, "by hand")
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s | %d s | %s |\n",
			r.Client, r.Version, r.Login, r.Ran, r.Result, r.Seconds, r.Test)
	}
	golden.Part(t, filepath.Join(root, "docs", "clients.md"),
		"<!-- generated from integration/testdata/clients.json by: go test ./internal/project -run TestClients -update -->",
		"<!-- end of the generated table -->", "\n"+table.String()+"\n")
}
