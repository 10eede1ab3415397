package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// helpWidth is the width of help texts.
const helpWidth = 80

func writeHelp(w io.Writer, cmd *cobra.Command) {
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	fmt.Fprintf(w, "%s\n\n", fill(about, helpWidth))
	writeUsage(w, cmd)
}

// fill wraps the lines of a text that are too long.
func fill(text string, width int) string {
	var c cli
	var out []string
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if len(line) > width {
			out = append(out, c.wrap(line, width)...)
		} else {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// useLine returns the usage line of a command: its required flags and its arguments.
func useLine(cmd *cobra.Command) string {
	line := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND"
	}
	return line + " [flags]"
}

func writeUsage(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(w, "Usage:\n  %s\n", useLine(cmd))
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintln(w, "\nCommands:")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(w, "  %-*s  %s\n", cmd.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableLocalFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", trimLines(cmd.LocalFlags().FlagUsagesWrapped(helpWidth)))
	}
	if cmd.HasAvailableInheritedFlags() {
		fmt.Fprintf(w, "\nFlags of all commands:\n%s",
			trimLines(cmd.InheritedFlags().FlagUsagesWrapped(helpWidth)))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nUse %s COMMAND --help for more about a command.\n", cmd.CommandPath())
	}
}

func trimLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n"))
		b.WriteByte('\n')
	}
	return b.String()
}
