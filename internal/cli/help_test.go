package cli

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/golden"
)

// The help of every command is at most 80 columns wide and complete.
func TestHelp(t *testing.T) {
	w := &world{t: t}
	var all strings.Builder
	walk(w.command().Commands()[0], func(cmd *cobra.Command) {
		var b bytes.Buffer
		cmd.SetOut(&b)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		all.WriteString("$ " + cmd.CommandPath() + " --help\n" + b.String() + "\n")
		for line := range strings.Lines(b.String()) {
			line = strings.TrimRight(line, "\n")
			if n := utf8.RuneCountInString(line); n > 80 {
				t.Errorf("%s --help: a line of %d columns: %s", cmd.CommandPath(), n, line)
			}
			if strings.TrimRight(line, " ") != line {
				t.Errorf("%s --help: blanks at the end of %q", cmd.CommandPath(), line)
			}
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: its short description %q must be there and end without a full stop", cmd.CommandPath(), cmd.Short)
		}
	})
	golden.File(t, filepath.Join("testdata", "help.txt"), all.String())
}

func TestHelpAsked(t *testing.T) {
	w := newWorld(t, 0)
	for _, line := range []string{"--help", "gateway", "gateway --help", "help"} {
		out, errs, code := w.run(line)
		if line == "help" { // it is Caddy's root that has the command help
			if code != exitInvalid {
				t.Errorf("help: exit code %d", code)
			}
			continue
		}
		if code != 0 || !strings.Contains(out, "Usage:") || errs != "" {
			t.Errorf("%s: exit code %d\n%s%s", line, code, out, errs)
		}
	}
}
