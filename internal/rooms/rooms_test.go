// Package rooms checks which package imports which.
//
// The depguard linter could do the same, but only where golangci-lint runs: that takes
// minutes to build and is not part of .ci/run. This test takes milliseconds, and runs
// with every "go test ./...".
package rooms

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/livygateway/livygateway"

// order is the house from top to bottom: a room imports only rooms below it.
var order = []string{
	"caddymodule", "cli", "api", "control", "access", "events", "resolved", "tokens", "sessions", "policies", "upstream", "store", "doctor", "gateway", "livy",
}

// only says who alone may import what is outside.
var only = map[string]string{
	"github.com/caddyserver/caddy/v2": "caddymodule",
	"github.com/redis/go-redis/v9":    "store",
	"github.com/moby/moby":            "upstream",
}

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		room, _, _ := strings.Cut(strings.TrimPrefix(filepath.ToSlash(rel), "internal/"), "/")
		if !slices.Contains(order, room) {
			return nil // commands, tests of the whole, and this
		}
		seen[room] = true
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if why := forbidden(room, imported, strings.HasSuffix(path, "_test.go")); why != "" {
				t.Errorf("%s imports %s: %s", rel, imported, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"caddymodule", "store", "gateway", "livy"} {
		if !seen[room] {
			t.Errorf("no files of %s were seen", room)
		}
	}
}

// forbidden says why a file of a room may not import a package, or "".
func forbidden(room, imported string, test bool) string {
	for outside, owner := range only {
		if within(imported, outside) && room != owner {
			return "only " + owner + " may"
		}
	}
	inside, ok := strings.CutPrefix(imported, module+"/")
	to, _, _ := strings.Cut(strings.TrimPrefix(inside, "internal/"), "/")
	if !ok || !slices.Contains(order, to) {
		return "" // what any room may use
	}
	if test && strings.HasSuffix(inside, "test") {
		return "" // doubles and servers for tests may be used from anywhere
	}
	if to != room && slices.Index(order, to) <= slices.Index(order, room) {
		return "it is not below " + room
	}
	return ""
}

func within(pkg, root string) bool {
	return pkg == root || strings.HasPrefix(pkg, root+"/")
}

func TestForbidden(t *testing.T) {
	tests := []struct {
		room, imported string
		test, ok       bool
	}{
		{"control", module + "/internal/gateway", false, true},
		{"gateway", module + "/internal/control", false, false},
		{"tokens", module + "/internal/tokens", false, true},
		{"livy", module + "/internal/gateway", false, false},
		{"store", "github.com/redis/go-redis/v9", false, true},
		{"tokens", "github.com/redis/go-redis/v9", false, false},
		{"tokens", module + "/internal/store/storetest", true, true},
		{"livy", module + "/internal/store/storetest", true, true},
		{"livy", module + "/internal/store", true, false},
		{"api", "github.com/caddyserver/caddy/v2/modules/caddyhttp", false, false},
		{"upstream", "github.com/moby/moby/client", false, true},
		{"policies", "encoding/json", false, true},
	}
	for _, tt := range tests {
		if got := forbidden(tt.room, tt.imported, tt.test); (got == "") != tt.ok {
			t.Errorf("%s importing %s: %q, want ok %v", tt.room, tt.imported, got, tt.ok)
		}
	}
}
