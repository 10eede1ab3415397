package cli

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/budgets"
)

// usageBy adds up usage over gateways.
type usageBy struct {
	by, month, day, output string
}

func (u *usageBy) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&u.by, "by", "", "Add up the usage of all gateways by "+strings.Join(budgets.Pers, ", "))
	f.StringVar(&u.month, "month", "", "With --by: a month (UTC), 2026-01 (default: the present one)")
	f.StringVar(&u.day, "day", "", "With --by: one day (UTC), 2026-01-31")
	f.StringVar(&u.output, "output", "", "With --by: table, json or csv")
	complete(cmd, "by", words(budgets.Pers...))
	complete(cmd, "month", nothing)
	complete(cmd, "day", nothing)
	complete(cmd, "output", words("table", "json", "csv"))
}

// show prints the report.
func (u *usageBy) show(c *cli, days *span, csv bool) error {
	if !slices.Contains(budgets.Pers, u.by) {
		return badUsage(fmt.Errorf("--by: %q must be %s", u.by, strings.Join(budgets.Pers, ", ")))
	}
	q := url.Values{}
	if err := days.set(q, time.DateOnly); err != nil {
		return err
	}
	if from := q.Get("from"); from != "" {
		q.Del("from")
		q.Set("since", from)
	}
	q.Set("by", u.by)
	q.Set("month", u.month)
	q.Set("day", u.day)
	switch {
	case u.output == "csv" || csv:
		q.Set("format", "csv")
		return c.copy(query("/v1/usage", q))
	case u.output == "json":
		c.json = true
	case u.output != "" && u.output != "table":
		return badUsage(fmt.Errorf("--output: %q must be table, json or csv", u.output))
	}
	got, err := get[api.UsageReport](c, query("/v1/usage", q))
	if err != nil {
		return err
	}
	return c.print(got.raw, func() {
		t := table{columns: []column{{head: strings.ToUpper(u.by), flex: true}, {head: "VCORE-HOURS"}, {head: "GB-HOURS"}}}
		if u.by == "token" {
			t.columns = append(t.columns, column{head: "ID"}, column{head: "GATEWAY"})
		}
		for _, row := range got.got.Usage {
			cells := []string{dash(row.Name), fmt.Sprintf("%.3f", row.VCoreHours), fmt.Sprintf("%.3f", row.GBHours)}
			if u.by == "token" {
				cells = append(cells, dash(row.ID), row.Workspace+"/"+row.Gateway)
			}
			t.add(cells...)
		}
		c.write(&t, fmt.Sprintf("No usage from %s to %s.", got.got.From, got.got.Until))
	})
}

// errUsageOfWhat is the error of a usage command that names nothing.
var errUsageOfWhat = errors.New("give --gateway NAME for one gateway, or --by user, token, gateway or workspace for all of them")

func (c *cli) budgetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "budget", Short: "Shows budgets and what is used of them"}
	cmd.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "Lists the budgets of the configuration",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			got, err := get[api.BudgetList](c, "/v1/budgets")
			if err != nil {
				return err
			}
			return c.print(got.raw, func() {
				t := table{columns: []column{
					{head: "NAME", flex: true},
					{head: "PER"},
					{head: "PERIOD"},
					{head: "VCORE-HOURS"},
					{head: "GB-HOURS"},
					{head: "ON EXCEED"},
					{head: "MOST USED"},
					{head: "BY"},
				}}
				for i := range got.got.Budgets {
					b := &got.got.Budgets[i]
					most, by := "-", "-"
					if len(b.Used) > 0 {
						most, by = percent(b.Used[0].Ratio), b.Used[0].Name
					}
					t.add(b.Name, b.Per, b.Period, boundsText(b.VCoreHours), boundsText(b.GBHours), b.OnExceed, most, by)
				}
				c.write(&t, "No budgets.")
			})
		},
	}, &cobra.Command{
		Use:   "show NAME",
		Short: "Shows what is used of a budget",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			got, err := get[api.BudgetList](c, "/v1/budgets")
			if err != nil {
				return err
			}
			i := slices.IndexFunc(got.got.Budgets, func(b api.Budget) bool { return b.Name == args[0] })
			if i < 0 {
				return fmt.Errorf("no budget %q; see caddy livy budget list", args[0])
			}
			b := &got.got.Budgets[i]
			if c.json {
				return c.printJSON(b)
			}
			t := table{columns: []column{
				{head: strings.ToUpper(b.Per), flex: true}, {head: "VCORE-HOURS"}, {head: "OF"}, {head: "GB-HOURS"}, {head: "OF"}, {head: "USED"},
			}}
			for _, u := range b.Used {
				name := u.Name
				if u.TokenName != "" {
					name = u.TokenName + " (" + u.Name + ")"
				}
				t.add(name, fmt.Sprintf("%.3f", u.VCoreHours), boundsText(b.VCoreHours),
					fmt.Sprintf("%.3f", u.GBHours), boundsText(b.GBHours), percent(u.Ratio))
			}
			c.write(&t, "Nothing is used of it.")
			return nil
		},
	})
	return cmd
}

func percent(ratio float64) string { return fmt.Sprintf("%.0f %%", 100*ratio) }

// boundsText shows bounds: "soft 80, hard 100".
func boundsText(b api.Bounds) string {
	var parts []string
	if b.Soft > 0 {
		parts = append(parts, fmt.Sprintf("soft %g", b.Soft))
	}
	if b.Hard > 0 {
		parts = append(parts, fmt.Sprintf("hard %g", b.Hard))
	}
	return dash(strings.Join(parts, ", "))
}
