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
		{Key: "a.b", Value: "c d", Line: 4}, {Key: "spark.x", Value: "4g", Line: 5}, {Key: "colon", Value: "1", Line: 6},
		{Key: "empty", Value: "", Line: 7}, {Key: "long", Value: "one,two", Line: 8}, {Key: "esc aped=key", Value: "A\t.", Line: 10},
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

func TestFormatProperty(t *testing.T) {
	for _, p := range []livy.Property{
		{Key: "spark.a", Value: "b"}, {Key: "a=b:c d", Value: " =x\\y\n\t"}, {Key: "#a", Value: "#b"}, {Key: "ä", Value: "日"},
	} {
		p.Line = 1
		got, err := livy.ParseProperties(livy.FormatProperty(p.Key, p.Value))
		p.Value = string([]rune(p.Value))
		if err != nil || len(got) != 1 || got[0].Key != p.Key || !sameTrimmed(got[0].Value, p.Value) {
			t.Errorf("%q reads back as %+v, %v", livy.FormatProperty(p.Key, p.Value), got, err)
		}
	}
}

// sameTrimmed compares as Spark and Livy read values: without blanks around them.
func sameTrimmed(got, want string) bool {
	for want != "" && (want[0] == ' ' || want[0] == '\t') {
		want = want[1:]
	}
	for want != "" && (want[len(want)-1] == '\t' || want[len(want)-1] == '\n') {
		want = want[:len(want)-1]
	}
	return got == want
}
