package gateway_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

// filled has another value in each of its fields than every other.
func filled(n int) (s gateway.Spec) {
	fill(reflect.ValueOf(&s).Elem(), n)
	return s
}

func fill(v reflect.Value, n int) {
	switch v.Kind() { //nolint:exhaustive // the kinds that a Spec has
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field, n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), n)
	case reflect.String:
		v.SetString(strings.Repeat("x", n))
	case reflect.Bool:
		v.SetBool(n%2 == 1)
	case reflect.Int:
		v.SetInt(int64(n))
	}
}

// fieldsOf are a spec's fields as they are in JSON.
func fieldsOf(t *testing.T, s gateway.Spec) (fields map[string]any) {
	t.Helper()
	text, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

// What takes effect only at a start waits for it, whatever is changed meanwhile.
func TestWhatIsInForce(t *testing.T) {
	first, second, third := filled(1), filled(2), filled(3)
	g := gateway.Gateway{Spec: first}
	g.Change(second)
	if now := g.InForce(); !reflect.DeepEqual(now, second) || g.Status.StartedWith != nil {
		t.Errorf("of a gateway without a server %+v is in force", now)
	}
	marks := second.LaunchSettings()
	g.Status.Launched = map[string]string{}
	g.Change(first)
	g.Change(third)
	was, is, now := fieldsOf(t, second), fieldsOf(t, third), fieldsOf(t, g.InForce())
	for name := range is {
		want := is[name]
		if _, waits := marks[name]; waits && name != "sparkBlacklist" {
			want = was[name]
		}
		if !reflect.DeepEqual(now[name], want) {
			t.Errorf("%s = %v is in force, want %v", name, now[name], want)
		}
	}
	back := third
	for _, change := range []func(*gateway.Spec){func(*gateway.Spec) {}, func(s *gateway.Spec) { s.Queue = "other" }} {
		back = second
		change(&back)
		g.Change(back)
		if g.Status.StartedWith != nil || !reflect.DeepEqual(g.InForce(), back) {
			t.Errorf("nothing waits any more, but %+v", g.Status.StartedWith)
		}
	}
}
