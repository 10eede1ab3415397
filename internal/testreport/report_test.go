package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestReport feeds recorded "go test -json" output through the report.
func TestReport(t *testing.T) {
	tests := []struct {
		name     string
		file     string
		required string
		last     string   // the closing line
		contains []string // in what is printed
		lacks    []string
	}{
		{
			name: "leaves are counted, skips are named",
			file: "mixed.json",
			last: "3 passed, 2 failed, 2 skipped",
			contains: []string{
				"--- FAILED: demo TestTable/bad\n", "want 2, got 3",
				"--- FAILED: demo TestPlain\n",
				"demo TestDocker\n      needs docker: no Docker engine answers",
				"demo TestOther\n      only on Mondays",
				"   1  needs docker\n", "   1  only on Mondays\n",
			},
			lacks: []string{"=== RUN", "FAILED: demo TestTable\n"},
		},
		{
			name:     "a required need that was skipped is a failure",
			file:     "mixed.json",
			required: "docker",
			last:     "3 passed, 3 failed, 1 skipped",
			contains: []string{"--- FAILED: demo TestDocker\nskipped although REQUIRE names docker"},
		},
		{
			name:     "a package that does not compile",
			file:     "build.json",
			last:     "0 passed, 1 failed, 0 skipped",
			contains: []string{"--- FAILED: demo\n", "undefined: nothing"},
		},
		{
			name:     "a panic",
			file:     "panic.json",
			last:     "0 passed, 1 failed, 0 skipped",
			contains: []string{"panic: oh no"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, err := os.Open(filepath.Join("testdata", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			var out strings.Builder
			rep := newReport(&out, func(need string) bool { return need == tt.required })
			if err := rep.read(in); err != nil {
				t.Fatal(err)
			}
			failed := rep.summary()
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if got := lines[len(lines)-1]; got != tt.last {
				t.Errorf("closing line %q, want %q", got, tt.last)
			}
			if (failed > 0) != rep.failedSinceLastRun() {
				t.Errorf("summary says %d failures, the run says %v", failed, rep.failedSinceLastRun())
			}
			for _, want := range tt.contains {
				if !strings.Contains(out.String(), want) {
					t.Errorf("nothing says %q in:\n%s", want, out.String())
				}
			}
			for _, not := range tt.lacks {
				if strings.Contains(out.String(), not) {
					t.Errorf("%q should not be in:\n%s", not, out.String())
				}
			}
		})
	}
}

func TestSplit(t *testing.T) {
	got := split([]string{"-race", "--", "-race", "./a", "--", "./b"})
	want := [][]string{{"-race", "./a"}, {"./b"}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %q, want %q", got, want)
	}
}
