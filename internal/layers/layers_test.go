// Package layers checks which package imports which.
//
// The depguard linter could do the same, but only where golangci-lint runs: that takes
// minutes to build and is not part of .ci/run. This test takes milliseconds, and runs
// with every "go test ./...".
package layers

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/livygateway/livygateway"

// order lists the layers from top to bottom: a layer imports only those below it. A layer
// is a folder with all that is in it, but for folders that are layers of their own.
var order = []string{
	"caddymodule/internal/caddytest", "caddymodule", "caddymodule/livyadmin", "caddymodule/livyconsole", "caddymodule/livyhttp", "caddymodule/sparkui",
	"caddymodule/internal/core", "caddymodule/internal/directive",
	"cli", "console", "sparkui", "managedapi", "api", "control", "warm", "accesskeys", "access", "events", "resolved", "budgets", "notices", "tokens", "sessions", "policies", "sparkpods", "upstream", "store", "doctor", "kubeapi", "gateway", "livy",
}

// apart are layers that know nothing of each other, although order has one above the other:
// the app and the handlers meet in core.
var apart = []string{"caddymodule", "caddymodule/livyadmin", "caddymodule/livyhttp"}

// only lists the layers that may import what is outside.
var only = map[string][]string{
	"github.com/caddyserver/caddy/v2": {"caddymodule"}, // and all below it
	"github.com/redis/go-redis/v9":    {"store"},
	"github.com/moby/moby":            {"upstream"},
	"k8s.io/client-go":                {"upstream", "kubeapi"},
}

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		layer := layerOf(path.Dir(filepath.ToSlash(rel)))
		if layer == "" {
			return nil // commands, tests of the whole, and this
		}
		seen[layer] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if why := forbidden(layer, imported, strings.HasSuffix(file, "_test.go")); why != "" {
				t.Errorf("%s imports %s: %s", rel, imported, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range order {
		if !seen[layer] {
			t.Errorf("no files of %s were seen", layer)
		}
	}
}

// layerOf is the layer that a folder of the module belongs to, "" if it is none.
func layerOf(folder string) string {
	folder = strings.TrimPrefix(folder, "internal/")
	for ; folder != "." && folder != "/"; folder = path.Dir(folder) {
		if slices.Contains(order, folder) {
			return folder
		}
	}
	return ""
}

// forbidden says why a file of a layer may not import a package, or "".
func forbidden(layer, imported string, test bool) string {
	for outside, owners := range only {
		if within(imported, outside) && !slices.ContainsFunc(owners, func(o string) bool { return within(layer, o) }) {
			return "only " + strings.Join(owners, " and ") + " may"
		}
	}
	inside, ok := strings.CutPrefix(imported, module+"/")
	to := layerOf(inside)
	if !ok || to == "" || to == layer {
		return "" // what any layer may use
	}
	if test && strings.HasSuffix(inside, "test") {
		return "" // doubles and servers for tests may be used from anywhere
	}
	if slices.Index(order, to) < slices.Index(order, layer) {
		return "it is not below " + layer
	}
	if !test && slices.Contains(apart, layer) && slices.Contains(apart, to) {
		return layer + " and it meet in caddymodule/internal/core"
	}
	return ""
}

func within(pkg, root string) bool {
	return pkg == root || strings.HasPrefix(pkg, root+"/")
}

func TestForbidden(t *testing.T) {
	tests := []struct {
		layer, imported string
		test, ok        bool
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
		{"sparkui", "github.com/caddyserver/caddy/v2", false, false},
		{"caddymodule/sparkui", "github.com/caddyserver/caddy/v2/modules/caddyhttp", false, true},
		{"caddymodule/sparkui", module + "/internal/sparkui", false, true},
		{"sparkui", module + "/caddymodule/sparkui", false, false},
		{"caddymodule/livyhttp", module + "/caddymodule/sparkui", false, true},
		{"caddymodule/internal/core", module + "/caddymodule", false, false},
		{"caddymodule", module + "/caddymodule/livyhttp", false, false},
		{"caddymodule", module + "/caddymodule/internal/core", false, true},
	}
	for _, tt := range tests {
		if got := forbidden(tt.layer, tt.imported, tt.test); (got == "") != tt.ok {
			t.Errorf("%s importing %s: %q, want ok %v", tt.layer, tt.imported, got, tt.ok)
		}
	}
}
