package livyconsole_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	_ "github.com/livygateway/livygateway/caddymodule/internal/caddytest" // all directives
)

// adapt returns the handlers of a site in the order that they get.
func adapt(t *testing.T, block string) (handlers []string, err error) {
	t.Helper()
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(":80 {\n"+block+"\n}\n"), nil)
	if err != nil {
		return nil, err
	}
	var v any
	if err := json.Unmarshal(config, &v); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if name, _ := v["handler"].(string); strings.HasPrefix(name, "livy_") || name == "static_response" {
				handlers = append(handlers, name)
			}
			for _, name := range []string{"apps", "http", "servers", "srv0", "routes", "handle"} {
				walk(v[name])
			}
		}
	}
	walk(v)
	return handlers, nil
}

func TestCaddyfile(t *testing.T) {
	tests := []struct {
		block, wrong string
		handlers     []string
	}{
		{"respond 418\nlivy_console\nlivy_api", "", []string{"livy_api", "livy_console", "static_response"}},
		{"livy_console /x {\nendpoint https://a\npublic_endpoint https://b\n}", "", []string{"livy_console"}},
		{"livy_console {\nendpoint\n}", "wrong argument count", nil},
		{"livy_console {\nendpoint a b\n}", "wrong argument count", nil},
		{"livy_console {\nendpoints https://a\n}", "endpoint, public_endpoint and user", nil},
		{"livy_console /x y", "wrong argument count", nil},
	}
	for _, tt := range tests {
		handlers, err := adapt(t, tt.block)
		switch {
		case tt.wrong == "" && (err != nil || !slices.Equal(handlers, tt.handlers)):
			t.Errorf("%s: %v, %v", tt.block, handlers, err)
		case tt.wrong != "" && (err == nil || !strings.Contains(strings.ToLower(err.Error()), tt.wrong)):
			t.Errorf("%s: %v", tt.block, err)
		}
	}
}
