// Package project holds the files around the code to each other: workflows,
// release, change log, versions of tools.
package project

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/require"
)

var root = filepath.Join("..", "..")

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// workflows are the names of all workflows, below root.
func workflows(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.yml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no workflows: %v", err)
	}
	for i, path := range paths {
		paths[i] = filepath.Join(".github", "workflows", filepath.Base(path))
	}
	return paths
}

// goMod returns what go.mod says by a pattern with one group.
func goMod(t *testing.T, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)` + pattern).FindStringSubmatch(read(t, "go.mod"))
	if found == nil {
		t.Fatalf("go.mod has no line %s", pattern)
	}
	return found[1]
}

func TestActionlint(t *testing.T) {
	_, err := exec.LookPath("actionlint")
	require.Need(t, require.Actionlint, err == nil, "actionlint is not installed; scripts/lint workflows compiles it")
	cmd := exec.Command("actionlint", append([]string{"-no-color"}, workflows(t)...)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("actionlint: %v\n%s", err, out)
	}
}

// TestActionsArePinned: a tag can be moved to other code, a commit cannot.
func TestActionsArePinned(t *testing.T) {
	uses := regexp.MustCompile(`(?m)^\s*(?:- )?uses:\s*(.*)$`)
	pinned := regexp.MustCompile(`^([\w.-]+/[\w./-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)$`)
	pins := map[string]string{}
	for _, name := range workflows(t) {
		for _, line := range uses.FindAllStringSubmatch(read(t, name), -1) {
			found := pinned.FindStringSubmatch(line[1])
			if found == nil {
				t.Errorf("%s: %q names no commit with its version behind it", name, line[1])
				continue
			}
			action, pin := found[1], found[2]
			if before, ok := pins[action]; ok && before != pin {
				t.Errorf("%s: %s is %s here and %s elsewhere", name, action, pin, before)
			}
			pins[action] = pin
		}
	}
}

// TestCommandsOfWorkflows: what workflows run of this project is there.
func TestCommandsOfWorkflows(t *testing.T) {
	makefile := read(t, "Makefile")
	targets := regexp.MustCompile(`\bmake ([a-z]+)`)
	scripts := regexp.MustCompile(`(?:^|[\s"'])((?:scripts|\.ci)/[\w-]+)`)
	seen := 0
	for _, name := range workflows(t) {
		for line := range strings.Lines(read(t, name)) {
			if strings.HasPrefix(strings.TrimSpace(line), "#") {
				continue
			}
			for _, target := range targets.FindAllStringSubmatch(line, -1) {
				seen++
				if !strings.Contains(makefile, "\n"+target[1]+":") {
					t.Errorf("%s: the Makefile has no target %s", name, target[1])
				}
			}
			for _, script := range scripts.FindAllStringSubmatch(line, -1) {
				seen++
				if info, err := os.Stat(filepath.Join(root, script[1])); err != nil || info.Mode()&0o100 == 0 {
					t.Errorf("%s: %s cannot be run (%v)", name, script[1], err)
				}
			}
		}
	}
	if seen == 0 {
		t.Error("the workflows run nothing of this project")
	}
}

// TestGoVersions: the oldest Go that is tested is the one that go.mod asks for.
func TestGoVersions(t *testing.T) {
	oldest := goMod(t, `^go (\d+\.\d+)`)
	matrix := regexp.MustCompile(`(?m)^\s*go: \['([\d.]+)', '([\d.]+)'\]`).
		FindAllStringSubmatch(read(t, ".github/workflows/ci.yml"), -1)
	if len(matrix) != 2 {
		t.Fatalf("ci.yml has %d matrices of two Go versions, not those of the tests and of lint", len(matrix))
	}
	for _, m := range matrix {
		if m[1] != oldest {
			t.Errorf("ci.yml tests with Go %s, go.mod asks for %s", m[1], oldest)
		}
		if m[1] == m[2] {
			t.Errorf("ci.yml tests with Go %s twice", m[1])
		}
	}
}

// TestCaddyVersion: what the README tells people to build is what is tested.
func TestCaddyVersion(t *testing.T) {
	want := goMod(t, `^\s*github\.com/caddyserver/caddy/v2 (v\S+)`)
	named := regexp.MustCompile(`xcaddy build (v[\d.]+\d)`).FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(named) == 0 {
		t.Fatal("the README does not say how to build with xcaddy")
	}
	for _, m := range named {
		if m[1] != want {
			t.Errorf("the README builds with Caddy %s, go.mod has %s", m[1], want)
		}
	}
}

// TestToolVersions: a tool that several files name has one version.
func TestToolVersions(t *testing.T) {
	files := append(workflows(t), "Makefile", "scripts/lint", ".ci/run", ".pre-commit-config.yaml")
	tool := regexp.MustCompile(`(github\.com/[\w./-]+)@(v[1-9]\d*\.\d+\.\d+|v0\.\d*[1-9]\d*\.\d+)`)
	versions := map[string][]string{}
	for _, name := range files {
		for _, m := range tool.FindAllStringSubmatch(read(t, name), -1) {
			if !slices.Contains(versions[m[1]], m[2]) {
				versions[m[1]] = append(versions[m[1]], m[2])
			}
		}
	}
	for name, all := range versions {
		if len(all) > 1 {
			t.Errorf("%s is named with the versions %s", name, strings.Join(all, " and "))
		}
	}
	if len(versions["github.com/caddyserver/xcaddy/cmd/xcaddy"]) == 0 {
		t.Error("no version of xcaddy was seen")
	}
}

func TestReleaseNotes(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "scripts"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "scripts", "release-notes")
	if err := os.WriteFile(script, []byte(read(t, "scripts/release-notes")), 0o755); err != nil {
		t.Fatal(err)
	}
	log := "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- New.\n\n## [1.2.0] - 2026-01-02\n\n- Old.\n\n" +
		"## [1.1.0] - 2026-01-01\n\n[Unreleased]: https://example.org\n"
	if err := os.WriteFile(filepath.Join(dir, "CHANGELOG.md"), []byte(log), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		version, want string
		ok            bool
	}{
		{"", "### Added\n\n- New.\n", true},
		{"v1.2.0", "- Old.\n", true},
		{"1.2.0", "- Old.\n", true},
		{"v1.1.0", "", false}, // empty
		{"v1.2", "", false},
		{"v9.9.9", "", false},
	}
	for _, tt := range tests {
		out, err := exec.Command(script, tt.version).Output()
		if (err == nil) != tt.ok || strings.TrimSpace(string(out)) != strings.TrimSpace(tt.want) {
			t.Errorf("release-notes %q: %q, %v; want %q, ok %v", tt.version, out, err, tt.want, tt.ok)
		}
	}
	// And what is there now has something to say.
	if out, err := exec.Command(filepath.Join(root, "scripts", "release-notes")).CombinedOutput(); err != nil {
		t.Errorf("release-notes: %v\n%s", err, out)
	}
}
