package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/api"
	"github.com/livygateway/livygateway/store"
)

func (c *cli) sessionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "session", Short: "Shows, closes and exports the sessions and batches on record"}
	var name string
	cmd.PersistentFlags().StringVar(&name, "gateway", "", "Gateway whose records are meant")
	_ = cmd.MarkPersistentFlagRequired("gateway")
	cmd.AddCommand(c.sessionList(&name), c.sessionShow(&name), c.sessionClose(&name), c.sessionUI(&name),
		c.sessionExport(&name), c.sessionUsage(&name), c.sessionStatements(&name))
	return cmd
}

// recordFlags are the flags that choose records.
func recordFlags(cmd *cobra.Command) func() url.Values {
	var state, token, from, until string
	flags := cmd.Flags()
	flags.StringVar(&state, "state", "", `Only those in this state: one of Livy's words, "gone", or "live" for all that have not ended`)
	flags.StringVar(&token, "token", "", "Only those that the token with this id created")
	flags.StringVar(&from, "from", "", "Only those created at this time or later, e.g. 2026-01-31T12:00:00Z")
	flags.StringVar(&until, "until", "", "Only those created before this time")
	return func() url.Values {
		q := url.Values{}
		for name, value := range map[string]string{"state": state, "token": token, "from": from, "until": until} {
			if value != "" {
				q.Set(name, value)
			}
		}
		return q
	}
}

func (c *cli) sessionList(gatewayName *string) *cobra.Command {
	var limit, offset int
	list := &cobra.Command{
		Use:   "list --gateway NAME",
		Short: "Lists a gateway's sessions and batches, newest first",
		Args:  cobra.NoArgs,
	}
	query := recordFlags(list)
	list.Flags().IntVar(&limit, "limit", 20, "How many, up to 1000")
	list.Flags().IntVar(&offset, "offset", 0, "How many to pass over")
	list.RunE = func(*cobra.Command, []string) error {
		q := query()
		q.Set("limit", strconv.Itoa(limit))
		q.Set("offset", strconv.Itoa(offset))
		var got api.RecordList
		if err := c.call(http.MethodGet, c.path(*gatewayName, "records")+"?"+q.Encode(), nil, &got); err != nil {
			return err
		}
		return c.print(got, func(w io.Writer) {
			fmt.Fprintln(w, "RECORD\tKIND\tID\tNAME\tSTATE\tCREATED\tTOKEN")
			for _, r := range got.Records {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Kind, publicID(r), dash(r.Name), r.State,
					r.Created.Format(time.RFC3339), dash(r.TokenID))
			}
			if n := offset + len(got.Records); int64(n) < got.Total {
				fmt.Fprintf(c.progress, "%d more: --offset %d\n", got.Total-int64(n), n)
			}
		})
	}
	return list
}

func publicID(r *store.Record) string {
	if r.PublicID < 0 {
		return "-"
	}
	return strconv.FormatInt(r.PublicID, 10)
}

func (c *cli) sessionShow(gatewayName *string) *cobra.Command {
	return &cobra.Command{
		Use:   "show --gateway NAME RECORD",
		Short: "Shows one record: livy-..., session:ID or batch:ID",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var r store.Record
			if err := c.call(http.MethodGet, c.path(*gatewayName, "records", args[0]), nil, &r); err != nil {
				return err
			}
			return c.print(&r, func(w io.Writer) { printRecord(w, &r) })
		},
	}
}

func printRecord(w io.Writer, r *store.Record) {
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s:\t%s\n", name, value)
		}
	}
	row("Record", r.ID)
	row("Kind", r.Kind)
	row("ID", publicID(r))
	row("Name", r.Name)
	row("State", r.State)
	row("Reason", r.Reason)
	row("Application", r.AppID)
	row("Token", strings.TrimSpace(r.TokenID+" "+r.TokenName))
	row("Client", r.ClientAddr)
	for _, t := range []struct {
		name string
		at   time.Time
	}{{"Created", r.Created}, {"Started", r.Started}, {"Ended", r.Ended}} {
		if !t.at.IsZero() {
			row(t.name, t.at.Format(time.RFC3339))
		}
	}
	if !r.Live() {
		row("Used", fmt.Sprintf("%.1f vCore-seconds, %d MB-seconds", r.VCoreSeconds, r.MBSeconds))
	}
	row("Resources", string(r.Resources))
	row("Policy", string(r.Policy))
	row("Spark UI", r.SparkUI)
	for _, line := range r.Log {
		row("Log", strings.TrimRight(line, "\n"))
	}
}

func (c *cli) sessionClose(gatewayName *string) *cobra.Command {
	return &cobra.Command{
		Use:   "close --gateway NAME RECORD",
		Short: "Ends a session or batch; its record stays",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var r store.Record
			if err := c.call(http.MethodDelete, c.path(*gatewayName, "records", args[0]), nil, &r); err != nil {
				return err
			}
			return c.print(&r, func(w io.Writer) { fmt.Fprintf(w, "%s %s is %s\n", r.Kind, publicID(&r), r.State) })
		},
	}
}

func (c *cli) sessionUI(gatewayName *string) *cobra.Command {
	return &cobra.Command{
		Use:   "ui --gateway NAME RECORD",
		Short: "Makes a link that opens the Spark UI in a browser, good for five minutes",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var link api.UILink
			if err := c.call(http.MethodPost, c.path(*gatewayName, "records", args[0], "ui-link"), nil, &link); err != nil {
				return err
			}
			return c.print(link, func(w io.Writer) {
				fmt.Fprintln(w, link.Path)
				fmt.Fprintln(c.progress, "Put it after the address of the site that serves the gateway.")
			})
		},
	}
}

func (c *cli) sessionExport(gatewayName *string) *cobra.Command {
	export := &cobra.Command{
		Use:   "export --gateway NAME",
		Short: "Writes records as JSON, one a line, newest first",
		Args:  cobra.NoArgs,
	}
	query := recordFlags(export)
	export.RunE = func(*cobra.Command, []string) error {
		return c.copy(c.path(*gatewayName, "records", "export") + "?" + query().Encode())
	}
	return export
}

func (c *cli) sessionUsage(gatewayName *string) *cobra.Command {
	var from, until string
	var csv bool
	usage := &cobra.Command{
		Use:   "usage --gateway NAME",
		Short: "Shows vCore-hours and GB-hours by day and token",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			q := url.Values{}
			if from != "" {
				q.Set("from", from)
			}
			if until != "" {
				q.Set("until", until)
			}
			path := c.path(*gatewayName, "usage")
			if csv {
				q.Set("format", "csv")
				return c.copy(path + "?" + q.Encode())
			}
			var got api.UsageList
			if err := c.call(http.MethodGet, path+"?"+q.Encode(), nil, &got); err != nil {
				return err
			}
			return c.print(got, func(w io.Writer) {
				fmt.Fprintln(w, "DAY\tTOKEN\tVCORE-HOURS\tGB-HOURS")
				for _, u := range got.Usage {
					fmt.Fprintf(w, "%s\t%s\t%.3f\t%.3f\n", u.Day, dash(u.TokenID), u.VCoreHours, u.GBHours)
				}
			})
		},
	}
	usage.Flags().StringVar(&from, "from", "", "First day, e.g. 2026-01-31 (UTC)")
	usage.Flags().StringVar(&until, "until", "", "Last day")
	usage.Flags().BoolVar(&csv, "csv", false, "Print CSV")
	return usage
}

func (c *cli) sessionStatements(gatewayName *string) *cobra.Command {
	var limit, offset int
	cmd := &cobra.Command{
		Use:   "statements --gateway NAME",
		Short: "Lists the statements that were run, newest first, where the gateway audits them",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var got api.StatementList
			path := c.path(*gatewayName, "statements") + fmt.Sprintf("?limit=%d&offset=%d", limit, offset)
			if err := c.call(http.MethodGet, path, nil, &got); err != nil {
				return err
			}
			return c.print(got, func(w io.Writer) {
				fmt.Fprintln(w, "SUBMITTED\tSESSION\tSTATEMENT\tTOKEN\tSTATUS\tMS\tCODE")
				for _, st := range got.Statements {
					code := st.Code
					if code == "" {
						code = "sha256:" + st.CodeHash
					}
					fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%d\t%.100q\n", st.Submitted.Format(time.RFC3339), st.SessionID, st.StatementID,
						st.TokenID, dash(st.Status), st.DurationMs, code)
				}
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "How many, up to 1000")
	cmd.Flags().IntVar(&offset, "offset", 0, "How many to pass over")
	return cmd
}

// copy writes an API reply as it is.
func (c *cli) copy(path string) error {
	address, err := caddycmd.DetermineAdminAPIAddress(c.address, nil, "", "")
	if err != nil {
		return err
	}
	resp, err := adminRequest(address, http.MethodGet, path, http.Header{}, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(c.out, resp.Body); err != nil {
		return fmt.Errorf("reading the reply of %s: %w", address, err)
	}
	return nil
}
