// Command generate writes the Grafana dashboards in ../grafana. It is a module of its own, so that
// Grafana's SDK is no dependency of the gateway.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// dashboards are all dashboards, by the name of their file.
var dashboards = map[string]func() *dashboard.DashboardBuilder{
	"overview.json": overview,
	"gateway.json":  oneGateway,
	"security.json": security,
	"capacity.json": capacity,
}

func main() {
	dir := "../grafana"
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	for name := range dashboards {
		text, err := render(name)
		if err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil { //nolint:gosec // a document
			log.Fatal(err)
		}
	}
}

// render returns the JSON of a dashboard.
func render(name string) ([]byte, error) {
	built, err := dashboards[name]().Build()
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", name, err)
	}
	text, err := json.MarshalIndent(built, "", "  ")
	return append(text, '\n'), err
}
