package project

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	_ "github.com/livygateway/livygateway" // the directives
	"github.com/livygateway/livygateway/caddymodule"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/golden"
	"github.com/livygateway/livygateway/internal/notices"
	"github.com/livygateway/livygateway/internal/store"
)

const configuration = "docs/configuration.md"

// TestConfigurationExample holds the JSON in docs/configuration.md to what the
// Caddyfile before it adapts to.
func TestConfigurationExample(t *testing.T) {
	_, rest, _ := strings.Cut(read(t, configuration), "```caddyfile\n")
	caddyfile, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatalf("%s has no Caddyfile", configuration)
	}
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		t.Errorf("line %d of the example: %s", w.Line, w.Message)
	}
	golden.Part(t, filepath.Join(root, configuration),
		"<!-- generated from the Caddyfile above by: go test ./internal/project -run TestConfigurationExample -update -->",
		"<!-- end of the generated JSON -->", "\n```json\n"+layout(t, adapted, "")+"\n```\n\n")
}

// layout writes JSON for people: whatever fits into a line stands on one.
func layout(t *testing.T, raw json.RawMessage, indent string) string {
	t.Helper()
	var flat bytes.Buffer
	if err := json.Compact(&flat, raw); err != nil {
		t.Fatal(err)
	}
	line := spaced(flat.String())
	if len(indent)+len(line) < 76 || !strings.ContainsAny(line[:1], "{[") {
		return line
	}
	d := json.NewDecoder(&flat)
	opening, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for d.More() {
		name := ""
		if opening == json.Delim('{') {
			key, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			name = strconv.Quote(key.(string)) + ": "
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, indent+"  "+name+layout(t, value, indent+"  "))
	}
	closing := map[byte]string{'{': "}", '[': "]"}[line[0]]
	return line[:1] + "\n" + strings.Join(parts, ",\n") + "\n" + indent + closing
}

// spaced puts a blank behind the colons and commas of compact JSON.
func spaced(compact string) string {
	var b strings.Builder
	inText := false
	for i := range len(compact) {
		c := compact[i]
		if c == '"' && (i == 0 || compact[i-1] != '\\') {
			inText = !inText
		}
		b.WriteByte(c)
		if !inText && (c == ':' || c == ',') {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// TestConfigurationIsComplete: every name that the Caddyfile's parsers know is in the
// first column of a table.
func TestConfigurationIsComplete(t *testing.T) {
	rows := optionRows(t)
	known := parsedNames(t)
	for _, p := range gateway.Parameters() {
		known[p.Option] = "a parameter of gateways"
	}
	for _, entry := range []any{
		gateway.Engine{},
		caddymodule.LivyServer{},
		gateway.Cluster{},
		gateway.Environment{},
		gateway.Network{},
		gateway.Directory{},
		gateway.Fusion{},
		gateway.HistoryServer{},
		gateway.OpenLineage{},
		notices.Webhook{},
	} {
		of := reflect.TypeOf(entry)
		for i := 1; i < of.NumField(); i++ { // the first is the argument
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if name == "-" {
				continue
			}
			known[gateway.OptionName(name)] = "a field of " + of.String()
		}
	}
	for name, where := range known {
		if rows[name] == "" {
			t.Errorf("%s does not explain %s (%s)", configuration, name, where)
		}
	}
	for name := range rows {
		if known[name] == "" && !slices.Contains([]string{"admin", "bind", "servers", "metrics", "log"}, name) {
			t.Errorf("%s explains %s, which no parser knows", configuration, name)
		}
	}
	for _, name := range []string{"redis", "prefix", "engine", "on_exit", "publish", "users", "grace", "base_dn", "livy_api"} {
		if known[name] == "" {
			t.Errorf("%s was not found in the parsers", name)
		}
	}
}

// TestDefaultsInConfiguration: defaults that are constants are what the tables say.
func TestDefaultsInConfiguration(t *testing.T) {
	var none gateway.Catalog
	cpus := strings.Trim(fmt.Sprint(none.AllowedCPUs()), "[]")
	days := func(d time.Duration) string { return strconv.Itoa(int(d/(24*time.Hour))) + "d" }
	mib := func(n int64) string { return strconv.FormatInt(n>>20, 10) + "MiB" }
	rows := optionRows(t)
	for option, want := range map[string]string{
		"cpu": cpus, "memory": strings.Join(none.AllowedMemories(), " "),
		"start_timeout":        strings.TrimSuffix(gateway.DefaultStartTimeout.String(), "0s"),
		"unresponsive_after":   gateway.DefaultUnresponsiveAfter.String(),
		"restart_unresponsive": strings.TrimSuffix(gateway.DefaultRestartUnresponsive.String(), "0s"),
		"prefix":               store.DefaultPrefix,
		"timeout":              store.DefaultTimeout.String(),
		"retention":            days(gateway.DefaultRetention),
		"audit_retention":      days(gateway.DefaultAuditRetention),
		"max_body":             mib(gateway.DefaultMaxBody), "max_code": mib(gateway.DefaultMaxCode),
		"max_upload": mib(gateway.DefaultMaxUpload),
		"grace":      strconv.Itoa(int(gateway.DefaultTokenGrace.Seconds())) + "s",
		"auto_stop":  strconv.Itoa(gateway.DefaultIdleMinutes),
		"auto_start": strconv.Itoa(gateway.DefaultWaitSeconds),
		"workspace":  gateway.DefaultWorkspace,
		"livy":       gateway.DefaultLivy,
	} {
		if !strings.Contains(rows[option], "`"+want+"`") {
			t.Errorf("%s: the default of %s is %s, and it says:\n%s", configuration, option, want, rows[option])
		}
	}
}

// optionRows are the rows of the tables in docs/configuration.md that explain options,
// by the option in the first column. An option in several tables has several rows.
func optionRows(t *testing.T) map[string]string {
	rows := make(map[string]string)
	name := regexp.MustCompile("^\\| \\[?`([a-z_]+)[` ]")
	inTable := false
	for _, l := range linesOf(read(t, configuration)) {
		if strings.HasPrefix(l.text, "| option |") || strings.HasPrefix(l.text, "| directive |") {
			inTable = true
		}
		inTable = inTable && strings.HasPrefix(l.text, "|")
		if m := name.FindStringSubmatch(l.text); m != nil && inTable && !l.code {
			rows[m[1]] += l.text + "\n"
		}
	}
	if len(rows) < 50 {
		t.Fatalf("only %d options were found in %s", len(rows), configuration)
	}
	return rows
}

var optionName = regexp.MustCompile(`^[a-z][a-z_]+$`)

// parsedNames are the names of options in the source of all parsers of the Caddyfile,
// with the place of each: keys of maps from names to targets, cases of switches on the
// dispenser's value, and what is registered with the adapter.
func parsedNames(t *testing.T) map[string]string {
	names := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 || d.Name() == "integration") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		if !imports(file, "caddyconfig/caddyfile") && !imports(file, "httpcaddyfile") {
			return nil
		}
		for _, lit := range namesIn(file) {
			if name, err := strconv.Unquote(lit.Value); err == nil && optionName.MatchString(name) {
				names[name] = set.Position(lit.Pos()).String()
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func imports(file *ast.File, what string) bool {
	return slices.ContainsFunc(file.Imports, func(s *ast.ImportSpec) bool { return strings.HasSuffix(s.Path.Value, what+`"`) })
}

// namesIn are the literals of a parser that name options, and the tags of fields that
// readEntry fills in.
func namesIn(file *ast.File) (names []*ast.BasicLit) {
	entries := entryTypes(file)
	take := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				names = append(names, lit)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			if m, ok := n.Type.(*ast.MapType); ok && namesTargets(m) {
				for _, e := range n.Elts {
					take(e.(*ast.KeyValueExpr).Key)
				}
			}
		case *ast.SwitchStmt:
			if readsOption(n.Tag) {
				for _, c := range n.Body.List {
					take(c.(*ast.CaseClause).List...)
				}
			}
		case *ast.BinaryExpr: // d.Val() != "prefix"
			if readsOption(n.X) {
				take(n.Y)
			}
		case *ast.TypeSpec:
			if of, ok := n.Type.(*ast.StructType); ok && slices.Contains(entries, n.Name.Name) {
				for _, f := range of.Fields.List[1:] { // the first is the argument
					tag, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
					take(&ast.BasicLit{Kind: token.STRING, Value: strconv.Quote(tag), ValuePos: f.Tag.Pos()})
				}
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && strings.HasPrefix(f.Sel.Name, "Register") && len(n.Args) > 0 {
				take(n.Args[0])
			}
		}
		return true
	})
	return names
}

// entryTypes are the types of a file's own that its parsers make and hand to readEntry.
func entryTypes(file *ast.File) (names []string) {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		var made []string
		reads := false
		ast.Inspect(f.Body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if fun, ok := call.Fun.(*ast.Ident); ok && fun.Name == "readEntry" {
				reads = true
			} else if ok && fun.Name == "new" {
				if of, ok := call.Args[0].(*ast.Ident); ok {
					made = append(made, of.Name)
				}
			}
			return true
		})
		if reads {
			names = append(names, made...)
		}
	}
	return names
}

// namesTargets reports whether a map leads from names to where values go.
func namesTargets(m *ast.MapType) bool {
	if key, ok := m.Key.(*ast.Ident); !ok || key.Name != "string" {
		return false
	}
	switch value := m.Value.(type) {
	case *ast.Ident:
		return value.Name == "any"
	case *ast.StarExpr, *ast.FuncType:
		return true
	}
	return false
}

// readsOption reports whether an expression is the option that is being read.
func readsOption(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "option"
	case *ast.CallExpr:
		f, ok := e.Fun.(*ast.SelectorExpr)
		return ok && f.Sel.Name == "Val"
	}
	return false
}
