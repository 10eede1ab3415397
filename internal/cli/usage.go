package cli

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
)

// usageCommand is a second name for "session usage". With --by it adds up all gateways.
func (c *cli) usageCommand() *cobra.Command {
	var gatewayName string
	by := new(usageBy)
	cmd := c.usageOf(&gatewayName, by)
	cmd.Use = "usage --gateway NAME | --by user|token|gateway|workspace"
	cmd.Short = "Shows vCore-hours and GB-hours, by day or user"
	cmd.Example += "\n  caddy livy usage --by user --month 2026-01\n  caddy livy usage --by token --since 7d --output csv"
	cmd.Flags().StringVar(&gatewayName, "gateway", "", "Gateway whose usage to show")
	complete(cmd, "gateway", c.gateways)
	by.flags(cmd)
	return cmd
}

// usageOf is the command for one gateway or, if by is not nil and says so, for all of them.
func (c *cli) usageOf(gatewayName *string, by *usageBy) *cobra.Command {
	var days span
	var csv bool
	cmd := &cobra.Command{
		Use:     "usage --gateway NAME",
		Short:   "Shows vCore-hours and GB-hours by day and token",
		Example: "  caddy livy usage --gateway etl --from 2026-01-01 --until 2026-01-31 --csv",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			switch {
			case by != nil && by.by != "":
				return by.show(c, &days, csv)
			case *gatewayName == "":
				return badUsage(errUsageOfWhat)
			}
			q := url.Values{}
			if err := days.set(q, time.DateOnly); err != nil {
				return err
			}
			path := c.path(*gatewayName, "usage")
			if csv {
				q.Set("format", "csv")
				return c.copy(query(path, q))
			}
			got, err := get[api.UsageList](c, query(path, q))
			if err != nil {
				return err
			}
			return c.print(got.raw, func() {
				t := table{columns: []column{
					{head: "DAY"},
					{head: "TOKEN"},
					{head: "VCORE-HOURS"},
					{head: "GB-HOURS"},
				}}
				for _, u := range got.got.Usage {
					t.add(u.Day, dash(u.TokenID), fmt.Sprintf("%.3f", u.VCoreHours),
						fmt.Sprintf("%.3f", u.GBHours))
				}
				c.write(&t, "No usage.")
			})
		},
	}
	days.flags(cmd, "Only days")
	cmd.Flags().Lookup("from").Usage = "First day (UTC): 2026-01-31, 2026-01-31T12:00:00Z, or so long ago: 90d"
	cmd.Flags().Lookup("until").Usage = "Last day"
	cmd.Flags().BoolVar(&csv, "csv", false, "Print CSV")
	return cmd
}
