package project

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/caddyevents/eventsconfig"           // events
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"                // basic_auth
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy/forwardauth" // forward_auth
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/tracing"                  // tracing
	_ "github.com/caddyserver/caddy/v2/modules/logging"                            // log
	_ "github.com/caddyserver/caddy/v2/modules/metrics"                            // metrics

	"github.com/livygateway/livygateway/internal/golden"
)

// documents are the names of all documents for people, below root.
func documents(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/monitoring/*.md", ".github/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			names = append(names, path.Join(path.Dir(pattern), filepath.Base(p)))
		}
	}
	if len(names) < 15 {
		t.Fatalf("found only the documents %v", names)
	}
	return names
}

// line is a line of a document.
type line struct {
	number int
	text   string
	code   bool // in a fenced block, or one of the fences
}

var fence = regexp.MustCompile("^\\s*(```|~~~)")

func linesOf(text string) []line {
	var lines []line
	inCode := false
	for raw := range strings.Lines(text) {
		l := line{number: len(lines) + 1, text: strings.TrimRight(raw, "\r\n"), code: inCode}
		if fence.MatchString(l.text) {
			l.code = true
			inCode = !inCode
		}
		lines = append(lines, l)
	}
	return lines
}

// mayBeWide reports whether a line that is too long cannot be broken: one URL or word,
// the target of a link, or a comment that a test looks for.
func (l line) mayBeWide() bool {
	text := strings.TrimSpace(l.text)
	return strings.HasPrefix(text, "<!--") || linkTarget.MatchString(text) ||
		!strings.Contains(strings.TrimLeft(text, "-*> "), " ")
}

func TestLinesOfDocuments(t *testing.T) {
	for _, name := range documents(t) {
		for _, l := range linesOf(read(t, name)) {
			if n := utf8.RuneCountInString(l.text); n > golden.Columns && !l.mayBeWide() {
				t.Errorf("%s:%d has %d columns, more than %d: %.60s...", name, l.number, n, golden.Columns, l.text)
			}
			if strings.HasSuffix(l.text, " ") || strings.HasSuffix(l.text, "\t") {
				t.Errorf("%s:%d ends in a blank", name, l.number)
			}
		}
	}
}

var (
	inlineLink = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	linkTarget = regexp.MustCompile(`^\[[^\]]+\]:\s+(\S+)`)
	inlineCode = regexp.MustCompile("`[^`]*`")
	heading    = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
)

// links are the targets of all links in a document.
func links(text string) []string {
	var targets []string
	for _, l := range linesOf(text) {
		if l.code {
			continue
		}
		plain := inlineCode.ReplaceAllString(l.text, "")
		for _, m := range inlineLink.FindAllStringSubmatch(plain, -1) {
			targets = append(targets, m[1])
		}
		if m := linkTarget.FindStringSubmatch(plain); m != nil {
			targets = append(targets, m[1])
		}
	}
	return targets
}

// anchors are the names that GitHub gives the headings of a document.
func anchors(text string) []string {
	var names []string
	for _, l := range linesOf(text) {
		if m := heading.FindStringSubmatch(l.text); m != nil && !l.code {
			names = append(names, anchor(m[1]))
		}
	}
	return names
}

func anchor(title string) string {
	title = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(title, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, title)
}

// TestLinksOfDocuments: a link to another file, or to a heading, leads somewhere.
func TestLinksOfDocuments(t *testing.T) {
	seen := 0
	for _, name := range documents(t) {
		for _, target := range links(read(t, name)) {
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			seen++
			file, fragment, _ := strings.Cut(target, "#")
			to := name
			if file != "" {
				to = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(to))); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, target)
				continue
			}
			if fragment != "" && !slices.Contains(anchors(read(t, to)), fragment) {
				t.Errorf("%s links to %s, and %s has no such heading", name, target, to)
			}
		}
	}
	if seen == 0 {
		t.Error("no links were found")
	}
}

// TestIndexOfDocuments: docs/README.md links to every document beside it.
func TestIndexOfDocuments(t *testing.T) {
	targets := links(read(t, "docs/README.md"))
	for _, name := range documents(t) {
		file, ok := strings.CutPrefix(name, "docs/")
		if ok && file != "README.md" && !slices.Contains(targets, file) {
			t.Errorf("docs/README.md does not link to %s", file)
		}
	}
}

func TestReadingDocuments(t *testing.T) {
	text := "# A `b` C: d_e-f\n[x](y.md#z) `[no](code)`\n```\n[no](block)\n# no\n```\n[ref]: other.md\n"
	if got := links(text); !slices.Equal(got, []string{"y.md#z", "other.md"}) {
		t.Errorf("links: %q", got)
	}
	if got := anchors(text); !slices.Equal(got, []string{"a-b-c-d_e-f"}) {
		t.Errorf("anchors: %q", got)
	}
	long := strings.Repeat("a ", golden.Columns)
	tests := []struct {
		name, text string
		line       int
		want       bool
	}{
		{"a row", "| " + long + "|", 1, false},
		{"a sentence", long, 1, false},
		{"code", "```\n" + long + "\n```", 2, false},
		{"one word", "- https://example.com/" + strings.Repeat("a", golden.Columns), 1, true},
		{"the target of a link", "[a]: https://example.com/ (" + long + ")", 1, true},
		{"a comment", "<!-- " + long + "-->", 1, true},
	}
	for _, tt := range tests {
		if got := linesOf(tt.text)[tt.line-1].mayBeWide(); got != tt.want {
			t.Errorf("%s may be wide: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestMessagesOfTroubleshooting: a message that docs/troubleshooting.md quotes is in the
// code.
func TestMessagesOfTroubleshooting(t *testing.T) {
	var code strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			var text []byte
			text, err = os.ReadFile(path)
			code.Write(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	seen, inTable := 0, false
	for _, l := range linesOf(read(t, "docs/troubleshooting.md")) {
		if strings.HasPrefix(l.text, "| message contains |") || strings.HasPrefix(l.text, "| reason in ") {
			inTable = true
			continue
		}
		inTable = inTable && strings.HasPrefix(l.text, "|")
		cell, _, _ := strings.Cut(strings.TrimPrefix(l.text, "|"), "|")
		quoted := inlineCode.FindString(cell)
		if !inTable || quoted == "" {
			continue
		}
		seen++
		if message := strings.Trim(quoted, "`"); !strings.Contains(code.String(), message) {
			t.Errorf("docs/troubleshooting.md:%d: no code has the message %q", l.number, message)
		}
	}
	if seen < 10 {
		t.Errorf("only %d messages were found", seen)
	}
}

// TestCaddyfilesInDocuments: every block of a Caddyfile in a document is one that Caddy
// adapts, as it is or as a part of the livy block.
func TestCaddyfilesInDocuments(t *testing.T) {
	block := regexp.MustCompile("(?s)```caddyfile\n(.*?)```")
	within := []string{"%s", "{\n%s\n}\n", "{\nlivy {\n%s\n}\n}\n", "{\nlivy {\nenvironment e {\n%s\n}\n}\n}\n"}
	seen := 0
	for _, name := range documents(t) {
		for _, m := range block.FindAllStringSubmatch(read(t, name), -1) {
			seen++
			var failures []error
			for _, frame := range within {
				text := strings.Replace(frame, "%s", m[1], 1)
				_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
				if err == nil {
					failures = nil
					break
				}
				failures = append(failures, err)
			}
			if failures != nil {
				t.Errorf("%s: Caddy does not understand\n%s%v", name, m[1], errors.Join(failures...))
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d blocks were found", seen)
	}
}
