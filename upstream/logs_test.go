package upstream

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLastLines(t *testing.T) {
	tests := []struct {
		text string
		n    int
		want []string
	}{
		{"", 3, nil},
		{"\n\n", 3, nil},
		{"a", 3, []string{"a"}},
		{"a\nb\nc\n", 2, []string{"b", "c"}},
		{"a\n\nb", 2, []string{"", "b"}},
		{"a\nb", 0, nil},
		{"a\nb", -1, nil},
	}
	for _, tt := range tests {
		if got := LastLines(tt.text, tt.n); !slices.Equal(got, tt.want) {
			t.Errorf("LastLines(%q, %d) = %q, want %q", tt.text, tt.n, got, tt.want)
		}
	}
}

func TestTailFileReadsTheEndOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var text strings.Builder
	for i := range 40000 {
		fmt.Fprintf(&text, "%06d %s\n", i, strings.Repeat("x", 40))
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, err := TailFile(path, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(lines); n == 0 || n*48 > maxTail || len(lines[0]) != 47 || !strings.HasPrefix(lines[n-1], "039999 ") {
		t.Errorf("%d lines from %q to %q", n, lines[0], lines[n-1])
	}
	if lines, err := TailFile(path+".none", 5); err != nil || lines != nil {
		t.Errorf("of no file: %q, %v", lines, err)
	}
}

func TestBoundFile(t *testing.T) {
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	path := filepath.Join(dir.Name(), "log")
	writer, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	for i := range 100 {
		fmt.Fprintf(writer, "line %02d\n", i) // 8 bytes
	}
	if err := BoundFile(dir, "log", 800); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 800 {
		t.Errorf("a file at its limit was cut to %v, %v", info.Size(), err)
	}
	if err := BoundFile(dir, "log", 400); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(writer, "after")
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(got); !strings.HasPrefix(s, "line 8") || !strings.HasSuffix(s, "line 99\nafter\n") || len(s) > 110 {
		t.Errorf("the file now holds %q", s)
	}
	if err := BoundFile(dir, "none", 1); err != nil {
		t.Errorf("no file: %v", err)
	}
}
