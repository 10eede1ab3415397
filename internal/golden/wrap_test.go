package golden

import (
	"strings"
	"testing"
)

func TestWrap(t *testing.T) {
	long := strings.Repeat("x", Columns)
	code := "`" + strings.Repeat("a ", 30) + "b`"
	tests := []struct{ name, text, want string }{
		{"short", "a  b\nc", "- a b c\n"},
		{"empty", "", "- \n"},
		{"a long word alone", long + " a", "- " + long + "\n  a\n"},
		{"code", strings.Repeat("w ", 30) + code, "- " + strings.TrimSpace(strings.Repeat("w ", 30)) + "\n  " + code + "\n"},
		{"an open backquote", "a `b c", "- a `b c\n"},
	}
	for _, tt := range tests {
		if got := Wrap(tt.text, "- ", "  "); got != tt.want {
			t.Errorf("%s:\n%q, want\n%q", tt.name, got, tt.want)
		}
	}
	for line := range strings.Lines(Wrap(strings.Repeat("word ", 100), "", "")) {
		if len(line) > Columns+1 || len(line) < Columns-5 {
			t.Errorf("a line of %d columns", len(line)-1)
		}
	}
}
