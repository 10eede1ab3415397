package livy_test

import (
	"slices"
	"testing"

	"github.com/livygateway/livygateway/livy"
)

func TestParseProperties(t *testing.T) {
	const text = "\ufeff# comment\n! comment\n\n a.b = c d \nspark.x 4g\r\ncolon:1\nempty\n" +
		"long = one,\\\n    two\nesc\\ aped\\=key \\u0041\\t.\nback = a\\\\\n"
	got, err := livy.ParseProperties(text)
	want := []livy.Property{
		{Key: "a.b", Value: "c d", Line: 4},
		{Key: "spark.x", Value: "4g", Line: 5},
		{Key: "colon", Value: "1", Line: 6},
		{Key: "empty", Value: "", Line: 7},
		{Key: "long", Value: "one,two", Line: 8},
		{Key: "esc aped=key", Value: "A\t.", Line: 10},
		{Key: "back", Value: `a\`, Line: 11},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{`a \u12`, `a \uzzzz`, `\u1`} {
		if got, err := livy.ParseProperties(bad); err == nil {
			t.Errorf("%s: %+v", bad, got)
		}
	}
}
