package gateway_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

// TestParameters: every field of the Spec but the name is in the table, and the table
// has nothing else.
func TestParameters(t *testing.T) {
	var s gateway.Spec
	fields := map[string]any{}
	for field, value := range reflect.ValueOf(&s).Elem().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields[name] = value.Addr().Interface()
	}
	delete(fields, "name")
	options, flags := map[string]bool{"name": true}, map[string]bool{"name": true, "start": true}
	for _, p := range gateway.Parameters() {
		if fields[p.Field] != p.In(&s) {
			t.Errorf("%s: is no field of the Spec, is there twice, or is in another place", p.Field)
		}
		delete(fields, p.Field)
		if p.Usage == "" || options[p.Option] || flags[p.Flag] {
			t.Errorf("%s: option %q, flag %q, usage %q; want names of its own and a usage", p.Field, p.Option, p.Flag, p.Usage)
		}
		options[p.Option], flags[p.Flag] = true, true
		// Livy's version is shown as the server tells it, memory and servers beside the cores.
		if p.Label == "" && p.File == "" && p.Field != "livyVersion" && p.Field != "memory" && p.Field != "servers" {
			t.Errorf("%s has no label", p.Field)
		}
	}
	for name := range fields {
		t.Errorf("%s is not in the table of parameters", name)
	}
}
