package gateway_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/golden"
)

// TestDocs checks that the list of parameters agrees with the code.
func TestDocs(t *testing.T) {
	golden.Part(t, "../../docs/gateways.md", "<!-- generated from gateway/spec.go by: go test ./internal/gateway -run TestDocs -update -->", "<!-- end of the generated part -->",
		"\n"+parameters(t)+"\n")
}

// parameters lists the Spec's fields, those of structs in it included.
func parameters(t *testing.T) string {
	file, err := parser.ParseFile(token.NewFileSet(), "spec.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	structs := map[string]*ast.StructType{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok {
			if s, ok := spec.Type.(*ast.StructType); ok {
				structs[spec.Name.Name] = s
			}
		}
		return true
	})
	var b strings.Builder
	writeFields(t, &b, structs, "Spec", "")
	return b.String()
}

func writeFields(t *testing.T, b *strings.Builder, structs map[string]*ast.StructType, name, prefix string) {
	for _, field := range structs[name].Fields.List {
		doc := strings.Join(strings.Fields(field.Doc.Text()), " ")
		if doc == "" {
			t.Errorf("%s.%s has no comment", name, field.Names[0].Name)
		}
		tag, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json"), ",")
		doc = strings.Replace(doc, field.Names[0].Name, "**`"+prefix+tag+"`**", 1)
		b.WriteString(golden.Wrap(doc, strings.Repeat("  ", strings.Count(prefix, "."))+"- ", strings.Repeat("  ", strings.Count(prefix, ".")+1)))
		if inner, ok := field.Type.(*ast.Ident); ok && structs[inner.Name] != nil {
			writeFields(t, b, structs, inner.Name, prefix+tag+".")
		}
	}
}
