package upstream

import (
	"slices"
	"testing"
)

func TestParseCPUFlags(t *testing.T) {
	for text, want := range map[string][]string{
		"processor\t: 0\nflags\t\t: fpu avx2\nbugs\t: x\n\nprocessor\t: 1\nflags\t\t: fpu\n": {"fpu", "avx2"},
		"Features\t: fp asimd\n": {"fp", "asimd"},
		"vmx flags\t: vnmi\n":    nil,
		"":                       nil,
	} {
		if got := ParseCPUFlags(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
}
