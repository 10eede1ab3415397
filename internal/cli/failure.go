package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

// The exit codes.
const (
	exitOK = iota
	exitFailed
	exitInvalid
	exitNotFound
	exitConflict
	exitUnavailable
	exitForbidden
	exitTimeout
)

// failure is an error for output: as a sentence, or with --json as the API's problem with the exit
// code.
type failure struct {
	api.Problem
	ExitCode int `json:"exitCode"`
	// hint is an additional sentence with advice.
	hint string
}

func (f *failure) Error() string { return f.Detail }

// fromKind returns a failure with a kind and a sentence.
func fromKind(kind gateway.Kind, detail string) *failure {
	status := api.Status(kind)
	return &failure{
		Problem: api.Problem{
			Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail,
			Kind: kind.String(),
		},
		ExitCode: exitCode(kind.String()),
	}
}

// exitCode returns the exit code for a kind of error.
func exitCode(kind string) int {
	switch kind {
	case gateway.KindInvalid.String(), gateway.KindTooLarge.String():
		return exitInvalid
	case gateway.KindNotFound.String():
		return exitNotFound
	case gateway.KindConflict.String(), gateway.KindStale.String():
		return exitConflict
	case gateway.KindUnavailable.String(), gateway.KindLimited.String():
		return exitUnavailable
	case gateway.KindForbidden.String(), gateway.KindUnauthorized.String():
		return exitForbidden
	default:
		return exitFailed
	}
}

// badUsage returns the failure for an invalid command line.
func badUsage(err error) *failure {
	f := fromKind(gateway.KindInvalid, err.Error())
	f.hint = "usage"
	return f
}

// asFailure returns err with an exit code.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	f = fromKind(gateway.KindOf(err), err.Error())
	f.Field, f.Value, f.Rule = gateway.Breach(err)
	return f
}

// fail prints an error to standard error and returns what ends the program.
func (c *cli) fail(cmd *cobra.Command, err error) error {
	f := asFailure(err)
	w := cmd.ErrOrStderr()
	switch {
	case f.Detail == "": // already printed
	case c.json:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		_ = e.Encode(f)
	default:
		fmt.Fprintf(w, "Error: %s\n", f.withFlag(cmd))
		switch f.hint {
		case "":
		case "usage":
			fmt.Fprintf(w, "See: %s --help\n", cmd.CommandPath())
		default:
			fmt.Fprintln(w, f.hint)
		}
	}
	return c.Exit(f.ExitCode)
}
