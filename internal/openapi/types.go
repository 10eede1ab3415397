package openapi

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

const modulePath = "github.com/livygateway/livygateway"

// types generates schemas of Go types.
type types struct {
	schemas  object // components/schemas
	comments map[string]string
}

func newTypes(root string) (*types, error) {
	t := &types{schemas: object{}, comments: map[string]string{}}
	for _, dir := range []string{
		"internal/access", "internal/accesskeys", "internal/api", "internal/events", "internal/control", "internal/gateway",
		"policies", "internal/sessions", "internal/store", "internal/tokens",
	} {
		if err := t.readComments(root, dir); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// readComments collects the comments of a package's types and of their fields.
func (t *types) readComments(root, dir string) error {
	files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		return err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("reading comments: %w", err)
		}
		for _, decl := range file.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, spec := range g.Specs {
				s := spec.(*ast.TypeSpec)
				key := modulePath + "/" + dir + "." + s.Name.Name
				t.comments[key] = oneLine(g.Doc.Text())
				fields, ok := s.Type.(*ast.StructType)
				if !ok {
					continue
				}
				for _, f := range fields.Fields.List {
					for _, name := range f.Names {
						t.comments[key+"."+name.Name] = oneLine(f.Doc.Text() + f.Comment.Text())
					}
				}
			}
		}
	}
	return nil
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (t *types) comment(of reflect.Type, field string) string {
	key := of.PkgPath() + "." + of.Name()
	if field != "" {
		key += "." + field
	}
	return t.comments[key]
}

func (t *types) reflector(inline bool) *jsonschema.Reflector {
	return &jsonschema.Reflector{
		Anonymous: true, ExpandedStruct: inline, DoNotReference: inline,
		Mapper: special, LookupComment: t.comment, Namer: name,
	}
}

// special returns the schemas of types whose JSON does not follow from their Go fields.
func special(of reflect.Type) *jsonschema.Schema {
	switch of {
	case reflect.TypeFor[json.RawMessage]():
		return &jsonschema.Schema{Type: "object"}
	case reflect.TypeFor[api.AnyJSON]():
		return &jsonschema.Schema{}
	case reflect.TypeFor[netip.Prefix]():
		return &jsonschema.Schema{Type: "string", Description: "A range of addresses, e.g. 10.0.0.0/8"}
	case reflect.TypeFor[gateway.State]():
		return &jsonschema.Schema{Type: "string", Enum: []any{
			gateway.StateCreated, gateway.StateStarting, gateway.StateRunning, gateway.StateStopping, gateway.StateStopped, gateway.StateError,
			gateway.StateDeleting,
		}}
	case reflect.TypeFor[access.Role]():
		s := &jsonschema.Schema{Type: "string"}
		for _, role := range access.Roles {
			s.Enum = append(s.Enum, role.String())
		}
		return s
	case reflect.TypeFor[tokens.Scope]():
		s := &jsonschema.Schema{Type: "string"}
		for _, scope := range tokens.AllScopes {
			s.Enum = append(s.Enum, scope)
		}
		return s
	}
	return nil
}

// name returns the schema name of a type; types of the same name in two packages get different ones.
func name(of reflect.Type) string {
	switch {
	case of.PkgPath() == modulePath+"/policies" && of.Name() == "Entry":
		return "PolicyEntry"
	case of.PkgPath() == modulePath+"/policies" && of.Name() == "Report":
		return "PolicyReport"
	case of.PkgPath() == modulePath+"/internal/tokens" && of.Name() == "Settings":
		return "TokenSettings"
	case of.PkgPath() == modulePath+"/internal/accesskeys" && of.Name() == "CreateRequest":
		return "CreateAccessKey"
	case of.PkgPath() == modulePath+"/internal/accesskeys" && of.Name() == "Key":
		return "AccessKey"
	case of.PkgPath() == modulePath+"/internal/tokens" && of.Name() == "CreateRequest":
		return "CreateToken"
	case of.PkgPath() == modulePath+"/internal/tokens" && of.Name() == "ResetRequest":
		return "ResetToken"
	case of.PkgPath() == modulePath+"/internal/gateway" && of.Name() == "Environment":
		return "CatalogEnvironment"
	}
	return of.Name()
}

// reply returns the schema of a reply: a reference to a component.
func (t *types) reply(v any) object {
	of := reflect.TypeOf(v)
	if of.Name() == "" {
		return object{"type": "object"}
	}
	all := plain(t.reflector(false).ReflectFromType(of))
	for name, schema := range all["$defs"].(object) {
		if have, ok := t.schemas[name]; ok && !reflect.DeepEqual(have, schema) {
			panic("two schemas are called " + name)
		}
		t.schemas[name] = schema
	}
	return object{"$ref": "#/components/schemas/" + name(of)}
}

// request returns the schema of a request body. Only the required fields are required,
// whatever the Go type says; null is the same as omitting a field, and resets it to its
// default in a Patch.
func (t *types) request(v any, required []string) object {
	of := reflect.TypeOf(v)
	if of.Name() == "" {
		return object{"description": "Any JSON; if it is not a create request, the reply says so."}
	}
	schema := plain(t.reflector(true).ReflectFromType(of))
	walk(schema, func(s object) {
		delete(s, "required")
		if properties, ok := s["properties"].(object); ok {
			for name, p := range properties {
				if !slices.Contains(required, name) {
					nullable(p.(object))
				}
			}
		}
	})
	if required != nil {
		schema["required"] = required
	}
	component := name(of)
	if component == "Patch" {
		component = "GatewayPatch"
	}
	for field, rules := range inputRules {
		if p, ok := schema["properties"].(object)[field].(object); ok {
			maps.Copy(p, rules)
		}
	}
	t.schemas[component] = schema
	return object{"$ref": "#/components/schemas/" + component}
}

// inputRules holds the rules that the API checks and that a schema can express.
var inputRules = map[string]object{
	"expireDays":        {"minimum": 1},
	"overlapHours":      {"minimum": 0, "maximum": 168},
	"maxSessions":       {"minimum": 0},
	"maxBatches":        {"minimum": 0},
	"requestsPerSecond": {"minimum": 0},
	"cpu":               {"minimum": 0},
}

func nullable(s object) {
	switch kind := s["type"].(type) {
	case string:
		s["type"] = []any{kind, "null"}
	}
	if words, ok := s["enum"].([]any); ok && !slices.Contains(words, any(nil)) {
		s["enum"] = append(words, nil)
	}
}

// plain returns a schema as a JSON object, with references in OpenAPI form.
func plain(s *jsonschema.Schema) object {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	var o object
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "#/$defs/", "#/components/schemas/")),
		&o); err != nil {
		panic(err)
	}
	delete(o, "$schema")
	return o
}

// walk visits a schema and its nested schemas.
func walk(v any, visit func(object)) {
	switch v := v.(type) {
	case object:
		visit(v)
		for _, inner := range v {
			walk(inner, visit)
		}
	case []any:
		for _, inner := range v {
			walk(inner, visit)
		}
	}
}
