package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// oneOf returns an error for an unknown command of a group.
func oneOf(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(text)
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("takes no arguments (got %q)", args[0])
	}
	return nil
}

// oneArg requires one argument, which is named by the last word of the command's usage.
func oneArg(cmd *cobra.Command, args []string) error {
	name := cmd.Use[strings.LastIndexByte(cmd.Use, ' ')+1:]
	if len(args) == 0 {
		return fmt.Errorf("%s is missing", name)
	}
	return atMost(1, args)
}

func atMostOneArg(_ *cobra.Command, args []string) error { return atMost(1, args) }

func atMost(n int, args []string) error {
	if len(args) > n {
		return fmt.Errorf("too many arguments: %q", args[n])
	}
	return nil
}
