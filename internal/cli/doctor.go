package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
)

// doctorPath is not part of the API but has the same base URL.
const doctorPath = "/doctor"

func (c *cli) doctorCommand() *cobra.Command {
	var config, adapter string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Checks the installation and suggests fixes",
		Long: `Checks what gateways need: Redis, the runtime (Docker, processes, servers),
engines, clusters, LDAP, clocks, ports, disk space, the sites and access logs of
Caddy, its admin endpoint. Each line says ok, warn or fail, and how to fix it.

The checks run where the gateways run: in the running Caddy, or with --config in
this process, by that configuration, when Caddy does not run.

The exit code is 0 if nothing fails (warnings are none), else 1.`,
		Example: `  caddy livy doctor
  caddy livy doctor --config /etc/caddy/Caddyfile`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			var report doctor.Report
			if config != "" {
				var err error
				if report, err = c.Examine(c.ctx, config, adapter); err != nil {
					return err
				}
			} else {
				got, err := get[doctor.Report](c, doctorPath)
				if err != nil {
					f := asFailure(err)
					if f.ExitCode == exitUnavailable {
						f.hint = "If Caddy does not run: caddy livy doctor --config Caddyfile"
					}
					return f
				}
				report = got.got
			}
			if c.json {
				if err := c.printJSON(report); err != nil {
					return err
				}
			} else {
				c.printReport(report)
			}
			if report.Failed > 0 {
				return &failure{ExitCode: exitFailed}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "Configuration file to check, instead of the running Caddy")
	cmd.Flags().StringVar(&adapter, "adapter", "", "Adapter for the configuration file (default: from its name)")
	complete(cmd, "adapter", nothing)
	return cmd
}

func (c *cli) printReport(r doctor.Report) {
	left := 0
	for _, res := range r.Results {
		left = max(left, len(res.Check))
	}
	left += len("warn") + 2*gap
	indent := strings.Repeat(" ", left)
	say := func(head, text string) {
		for _, line := range c.wrap(text, c.width()-left) {
			fmt.Fprintln(c.out, strings.TrimRight(head+line, " "))
			head = indent
		}
	}
	for _, res := range r.Results {
		say(fmt.Sprintf("%-4s  %-*s", res.Status, left-len("warn")-gap, res.Check), res.Summary)
		if res.Mend != "" {
			say(indent, "Fix: "+res.Mend)
		}
	}
	fmt.Fprintf(c.out, "\n%d ok, %s, %s\n", r.OK, gateway.Count(r.Warned, "warning"),
		gateway.Count(r.Failed, "failure"))
}
