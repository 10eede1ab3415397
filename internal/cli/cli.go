// Package cli implements the command line `caddy livy ...` as a client of the management API. It
// does not depend on Caddy: Options provide access to the API, so that every command is tested
// against the API alone.
package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
)

//go:generate go test . -run TestGolden|TestHelp|TestDocs -update

// Options are the functions that the command line needs of the program that it is part of.
type Options struct {
	// Dial returns a client and the base URL of the API, below which `/v1/...` is. address is
	// the value of --address, empty for the default.
	Dial func(address string) (client *http.Client, base string, err error)
	// DefaultAddress is the default address, for the help.
	DefaultAddress string
	// Exit returns an error that ends the program with an exit code and prints nothing.
	Exit func(code int) error
	// Examine runs the doctor's checks on a configuration file, without a running Caddy.
	Examine func(ctx context.Context, config, adapter string) (doctor.Report, error)
	// Poll is the longest pause between two polls of --wait. Default 1 second.
	Poll time.Duration
}

// Short and Usage describe the command in its parent's list.
const (
	Short = "Manages Livy gateways: their tokens, sessions and policies"
	Usage = "gateway|token|session|policy|engine|doctor|..."
)

const long = `Manages Livy gateways: their tokens, sessions and policies.

The commands speak to a running Caddy by its admin endpoint: run them on the
machine where Caddy runs, or name the endpoint with --address: HOST:PORT, or
unix//PATH for a Unix socket. The environment variable CADDY_ADMIN stands for
--address. Times are UTC.

Exit codes:
  0  done
  1  it failed, or the doctor found something broken
  2  bad usage or bad input
  3  no such gateway, token, record, ...
  4  conflict: it exists already, or is in a state that forbids this
  5  unavailable: Caddy, Redis or Livy does not answer; try again later
  6  forbidden
  7  --wait ran out of time

With --json, results are JSON on standard output, and errors JSON on standard
error. Without it, tables are cut to fit the terminal; --wide shows all.`

const examples = `  caddy livy gateway create etl --cpu 2 --memory 8Gi --start --wait
  caddy livy token create --gateway etl --name airflow --expire-days 90
  caddy livy session list --gateway etl --state live
  caddy livy access-key create --name nightly-scripts --role operator
  caddy livy doctor`

// cli is the state of the command line: how to reach the API and how to print.
type cli struct {
	Options
	address, workspace string
	json, wide         bool

	ctx      context.Context
	in       io.Reader
	out, err io.Writer
}

// Fill makes cmd, which already has a name, the root of the command line.
func Fill(cmd *cobra.Command, o Options) {
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	c := &cli{Options: o}
	cmd.Use, cmd.Short, cmd.Long, cmd.Example = "livy", Short, long, examples
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.address, "address", "",
		"Address of Caddy's admin endpoint (default: "+o.DefaultAddress+")")
	flags.StringVar(&c.workspace, "workspace", gateway.DefaultWorkspace, "Workspace of the gateway")
	flags.BoolVar(&c.json, "json", false, "Print JSON instead of text")
	flags.BoolVar(&c.wide, "wide", false, "Print all columns without truncation")
	cmd.AddCommand(
		c.gatewayCommand(), c.tokenCommand(), c.accessKeyCommand(), c.sessionCommand(), c.policyCommand(), c.usageCommand(),
		c.budgetCommand(),
		c.catalogCommand(), c.engineCommand(), c.environmentCommand(), c.auditCommand(), c.eventsCommand(), c.healthCommand(), c.doctorCommand(),
		c.orphansCommand(),
	)
	complete(cmd, "workspace", c.workspaces)
	complete(cmd, "address", nothing)
	c.adopt(cmd)
}

// adopt gives a command and its subcommands the common behaviour.
func (c *cli) adopt(cmd *cobra.Command) {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.DisableFlagsInUseLine = true
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(cmd.OutOrStdout(), cmd) })
	cmd.SetUsageFunc(func(cmd *cobra.Command) error { writeUsage(cmd.ErrOrStderr(), cmd); return nil })
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return c.fail(cmd, badUsage(errors.New(plainFlagError(err.Error()))))
	})
	check, run := cmd.Args, cmd.RunE
	if run == nil { // a group of commands
		check = oneOf
		run = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := cmd.ValidateRequiredFlags()
		if err == nil {
			err = check(cmd, args)
		}
		if err != nil {
			return c.fail(cmd, badUsage(err))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c.in, c.out, c.err = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
		c.ctx = cmd.Context()
		if c.ctx == nil {
			c.ctx = context.Background()
		}
		if err := run(cmd, args); err != nil {
			return c.fail(cmd, err)
		}
		return nil
	}
	for _, sub := range cmd.Commands() {
		c.adopt(sub)
	}
}

// userName returns the name of the user who runs the command.
func userName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}
