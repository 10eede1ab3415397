package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/store"
)

func (c *cli) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Lists and exports the audit log of changes and refusals",
		Long: `Lists and exports the audit: every change of a gateway or token, what became of
gateways by themselves, and refused requests of consequence.`,
	}
	cmd.AddCommand(c.auditList(), c.auditExport())
	return cmd
}

// auditFilter adds the flags that select entries.
func (c *cli) auditFilter(cmd *cobra.Command) func() (url.Values, error) {
	var q [5]string
	var times span
	flags := cmd.Flags()
	names := []string{"gateway", "actor", "action", "outcome", "target"}
	for i, usage := range []string{
		"Only entries about this gateway: its id, name, or workspace/name",
		"Only entries of this person or token",
		`Only this action, e.g. "gateway.update", or all with this prefix: "token"`,
		"Only completed or only refused actions: done or refused",
		"Only entries about the token or record with this id",
	} {
		flags.StringVar(&q[i], names[i], "", usage)
	}
	offer := map[string]completion{"gateway": c.gateways, "outcome": words("done", "refused")}
	for _, name := range names {
		f := offer[name]
		if f == nil {
			f = nothing
		}
		complete(cmd, name, f)
	}
	times.flags(cmd, "Only what is from")
	return func() (url.Values, error) {
		v := url.Values{}
		for i, name := range names {
			v.Set(name, q[i])
		}
		return v, times.set(v, time.RFC3339)
	}
}

func (c *cli) auditList() *cobra.Command {
	var limit int
	var cursor string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists audit entries, newest first",
		Example: `  caddy livy audit list --gateway etl --action gateway
  caddy livy audit list --outcome refused --from 2026-01-31T00:00:00Z`,
		Args: noArgs,
	}
	filter := c.auditFilter(cmd)
	cmd.Flags().IntVar(&limit, "limit", 20, "Maximum number of entries, up to 1000")
	cmd.Flags().StringVar(&cursor, "cursor", "", "Continue after the previous page, which prints this value")
	complete(cmd, "cursor", nothing)
	cmd.RunE = func(*cobra.Command, []string) error {
		q, err := filter()
		if err != nil {
			return err
		}
		q.Set("limit", strconv.Itoa(limit))
		q.Set("cursor", cursor)
		got, err := get[api.AuditList](c, query("/v1/audit", q))
		if err != nil {
			return err
		}
		return c.print(got.raw, func() {
			t := table{columns: []column{
				{head: "TIME (UTC)"},
				{head: "WHO"},
				{head: "FROM", wide: true},
				{head: "ACTION"},
				{head: "OUTCOME"},
				{head: "GATEWAY", flex: true},
				{head: "TARGET", wide: true},
				{head: "WHAT", flex: true},
			}}
			for _, e := range got.got.Entries {
				t.add(minute(e.Time), e.Actor, dash(e.Address), e.Action, e.Outcome, dash(e.Gateway),
					dash(e.Target), dash(what(e)))
			}
			c.write(&t, "No entries.")
			if got.got.Next != "" {
				fmt.Fprintf(c.err, "There may be more: --cursor %s\n", got.got.Next)
			}
		})
	}
	return cmd
}

// what returns what an entry is about.
func what(e *store.AuditEntry) string {
	var parts []string
	if e.Count > 1 {
		parts = append(parts, fmt.Sprintf("%d times", e.Count))
	}
	if e.Detail != "" {
		parts = append(parts, e.Detail)
	}
	// Of what is gone as a whole, what it was is not told.
	whole := e.After == nil && (strings.HasSuffix(e.Action, ".delete") || strings.HasSuffix(e.Action, ".revoke"))
	for _, field := range changedFields(e) {
		before, was := e.Before[field]
		after, is := e.After[field]
		switch {
		case was && is:
			parts = append(parts, field+": "+plain(before)+" -> "+plain(after))
		case is && (field != "createdBy" || after != e.Actor):
			parts = append(parts, field+": "+plain(after))
		case was && !whole:
			parts = append(parts, field+": "+plain(before)+" -> nothing")
		}
	}
	return strings.Join(parts, "; ")
}

// changedFields are the fields that an entry tells of, the name first.
func changedFields(e *store.AuditEntry) []string {
	all := maps.Clone(e.Before)
	if all == nil {
		all = make(map[string]any)
	}
	maps.Copy(all, e.After)
	fields := slices.Sorted(maps.Keys(all))
	slices.SortStableFunc(fields, func(a, b string) int {
		switch {
		case a == "name":
			return -1
		case b == "name":
			return 1
		}
		return 0
	})
	return fields
}

// plain is a value as people write it: a text without quotes, anything else as JSON.
func plain(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

func (c *cli) auditExport() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "export",
		Short:   "Exports audit entries as JSON lines, newest first",
		Example: "  caddy livy audit export --from 2026-01-01T00:00:00Z > audit.jsonl",
		Args:    noArgs,
	}
	filter := c.auditFilter(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		q, err := filter()
		if err != nil {
			return err
		}
		return c.copy(query("/v1/audit/export", q))
	}
	return cmd
}
