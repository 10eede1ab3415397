package cli

import "testing"

func TestOneLine(t *testing.T) {
	// Some terminals take U+009B for the beginning of an escape sequence.
	for text, want := range map[string]string{"a\nb": "a b", "\x1b[2J": " [2J", "\u009b2J": " 2J", "\x7f": " ", "数据 é": "数据 é"} {
		if got := oneLine(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
