package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/livygateway/livygateway/internal/golden"
)

const docsHead = `# The command line

<!-- Written by "go generate ./internal/cli"; a test keeps it true. -->

`

// TestDocs keeps docs/cli.md true.
func TestDocs(t *testing.T) {
	w := &world{t: t}
	root := w.command().Commands()[0]
	var b strings.Builder
	b.WriteString(docsHead)
	about, codes, _ := strings.Cut(root.Long, "Exit codes:\n")
	codes, rest, _ := strings.Cut(codes, "\n\n")
	_, about, _ = strings.Cut(about, "\n\n") // the first line is that of the help
	fmt.Fprintf(&b, "%s\n\n```\n%s\n```\n\n%s\n\n", strings.TrimSpace(about), root.Example, rest)
	b.WriteString("Shells complete commands, flags, and the names of what is there (gateways, tokens,\nrecords, engines ...) after `caddy completion bash`, `zsh` or `fish`.\n\n")
	b.WriteString("## Exit codes\n\n| code | meaning |\n|---|---|\n")
	for line := range strings.SplitSeq(strings.TrimSpace(codes), "\n") {
		code, meaning, _ := strings.Cut(strings.TrimSpace(line), "  ")
		fmt.Fprintf(&b, "| %s | %s |\n", code, meaning)
	}
	b.WriteString("\n## Flags of all commands\n\n")
	writeFlags(&b, root.PersistentFlags())
	for _, sub := range root.Commands() {
		writeDocs(&b, sub, "##")
	}
	golden.File(t, filepath.Join("..", "..", "docs", "cli.md"), b.String())
}

func writeDocs(b *strings.Builder, cmd *cobra.Command, level string) {
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	fmt.Fprintf(b, "\n%s %s\n\n%s\n", level, cmd.CommandPath(), about)
	if !cmd.HasSubCommands() {
		fmt.Fprintf(b, "\n```\n%s\n```\n", useLine(cmd))
	}
	if cmd.Example != "" {
		fmt.Fprintf(b, "\n```\n%s\n```\n", cmd.Example)
	}
	if cmd.HasAvailableLocalFlags() {
		b.WriteByte('\n')
		writeFlags(b, cmd.LocalFlags())
	}
	for _, sub := range cmd.Commands() {
		writeDocs(b, sub, level+"#")
	}
}

func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		name, usage := pflag.UnquoteUsage(f)
		if name != "" {
			name = " " + name
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "[]" && f.DefValue != "0s" {
			usage += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		b.WriteString(golden.Wrap(fmt.Sprintf("`--%s%s`: %s", f.Name, name, usage), "- ", "  "))
	})
}
