package gateway

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"unicode"
)

// Undecodable returns the error for a JSON document that could not be decoded into a struct.
// It names a field of the wrong type; otherwise it begins with what.
func Undecodable(what string, err error) *Error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field == "" {
			return Errorf(KindInvalid, "%s: it must be %s (got %q)", what, jsonWord(e.Type), e.Value)
		}
		path := strings.Split(e.Field, ".")
		for len(path) > 1 && unicode.IsUpper(rune(path[0][0])) {
			path = path[1:] // the name of an embedded struct
		}
		return Invalid(strings.Join(path, "."), e.Value, "must be "+jsonWord(e.Type))
	}
	return Errorf(KindInvalid, "%s: %s", what, strings.TrimPrefix(err.Error(), "json: "))
}

// jsonWord returns the name of a JSON type for messages.
func jsonWord(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}
