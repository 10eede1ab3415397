package golden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// noting notes failures instead of failing.
type noting struct {
	testing.TB
	failures []string
}

func (n *noting) Helper() {}

func (n *noting) Errorf(format string, args ...any) { n.failures = append(n.failures, format) }

func TestPart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(path, []byte("head\n<!-- a -->\nold\n<!-- b -->\ntail\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(made string) int {
		n := &noting{TB: t}
		Part(n, path, "<!-- a -->", "<!-- b -->", made)
		return len(n.failures)
	}
	if check("old\n") != 0 || check("new\n") != 1 {
		t.Error("what is made is not compared with what is there")
	}
	*update = true
	defer func() { *update = false }()
	if check("new\n") != 0 {
		t.Error("an update fails")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "head\n<!-- a -->\nnew\n<!-- b -->\ntail\n" {
		t.Errorf("after an update: %q, %v", text, err)
	}
}

func TestDiff(t *testing.T) {
	if d := diff("1\n2\n3", "1\n2\nx"); !strings.Contains(d, "line 3") || strings.Contains(d, "2") || !strings.Contains(d, "x") {
		t.Error(d)
	}
}
