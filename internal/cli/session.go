package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/policies"
)

func (c *cli) sessionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "session",
		Short: "Shows, closes and exports recorded sessions and batches",
		Long: `Shows, closes and exports recorded sessions and batches. A RECORD is named
by its id (livy-...), or by what clients see: session:3, batch:7.`,
	}
	s := &sessionCLI{cli: c}
	c.gatewayFlag(cmd, &s.gatewayName, "Gateway of the records")
	usage := c.usageOf(&s.gatewayName, nil)
	usage.Use = "usage --gateway NAME"
	cmd.AddCommand(s.list(), s.show(), s.close(), s.ui(), s.export(), s.statements(), usage)
	return cmd
}

// sessionCLI is the command line for the records of one gateway.
type sessionCLI struct {
	*cli
	gatewayName string
}

func (s *sessionCLI) records(parts ...string) string {
	return s.path(append([]string{s.gatewayName, "records"}, parts...)...)
}

// filter adds the flags that select records.
func (s *sessionCLI) filter(cmd *cobra.Command) func() (url.Values, error) {
	var state, token string
	var times span
	flags := cmd.Flags()
	flags.StringVar(&state, "state", "", `Only records in this state: one of Livy's states, "gone", or "live" for all that have not ended`)
	flags.StringVar(&token, "token", "", "Only records created with this token: its id or name")
	times.flags(cmd, "Only records created at")
	complete(cmd, "state", words("live", "starting", "idle", "busy", "running", "success", "dead", "error", "killed", "gone"))
	complete(cmd, "token", s.tokensOf(&s.gatewayName))
	return func() (url.Values, error) {
		if state != "" {
			if err := knownWords("state", []string{state}, store.RecordStates()); err != nil {
				return nil, err
			}
		}
		q := url.Values{"state": {strings.ToLower(state)}, "token": {token}}
		return q, times.set(q, time.RFC3339)
	}
}

// page selects a part of a long list.
type page struct{ limit, offset int }

func (p *page) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&p.limit, "limit", 20, "Maximum number of records, up to 1000")
	cmd.Flags().IntVar(&p.offset, "offset", 0, "Number of records to skip")
}

func (p *page) set(q url.Values) url.Values {
	q.Set("limit", strconv.Itoa(p.limit))
	q.Set("offset", strconv.Itoa(p.offset))
	return q
}

// more prints how to show the next page.
func (c *cli) more(p *page, shown int, total int64) {
	if n := p.offset + shown; int64(n) < total {
		fmt.Fprintf(c.err, "%d more: --offset %d\n", total-int64(n), n)
	}
}

func (s *sessionCLI) list() *cobra.Command {
	var p page
	cmd := &cobra.Command{
		Use:     "list --gateway NAME",
		Short:   "Lists a gateway's sessions and batches, newest first",
		Example: "  caddy livy session list --gateway etl --state live",
		Args:    noArgs,
	}
	filter := s.filter(cmd)
	p.flags(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		q, err := filter()
		if err != nil {
			return err
		}
		got, err := get[api.RecordList](s.cli, query(s.records(), p.set(q)))
		if err != nil {
			return err
		}
		return s.print(got.raw, func() {
			t := table{columns: []column{
				{head: "RECORD"},
				{head: "KIND"},
				{head: "ID"},
				{head: "STATE"},
				{head: "CREATED (UTC)"},
				{head: "ENDED (UTC)", wide: true},
				{head: "NAME", flex: true},
				{head: "TOKEN", wide: true},
				{head: "TOKEN NAME", wide: true},
				{head: "CLIENT", wide: true},
				{head: "REASON", wide: true},
			}}
			for _, r := range got.got.Records {
				t.add(r.ID, r.Kind, publicID(r), r.State, minute(r.Created), minute(r.Ended), dash(r.Name),
					dash(r.TokenID), dash(r.TokenName), dash(r.ClientAddr), dash(r.Reason))
			}
			s.write(&t, "No records.")
			s.more(&p, len(got.got.Records), got.got.Total)
		})
	}
	return cmd
}

// publicID returns the id that clients see, if Livy has confirmed it.
func publicID(r *store.Record) string {
	if r.PublicID < 0 {
		return "-"
	}
	return strconv.FormatInt(r.PublicID, 10)
}

// onRecord returns a command for the record in its argument.
func (s *sessionCLI) onRecord(verb, short string, run func(ref string) error) *cobra.Command {
	return &cobra.Command{
		Use:               verb + " --gateway NAME RECORD",
		Short:             short,
		Args:              oneArg,
		ValidArgsFunction: first(s.recordsOf(&s.gatewayName)),
		RunE:              func(_ *cobra.Command, args []string) error { return run(args[0]) },
	}
}

func (s *sessionCLI) show() *cobra.Command {
	return s.onRecord("show", "Shows one record", func(ref string) error {
		r, err := get[store.Record](s.cli, s.records(ref))
		if err != nil {
			return err
		}
		return s.print(r.raw, func() { s.printRecord(&r.got) })
	})
}

func (c *cli) printRecord(r *store.Record) {
	var d details
	d.add("Record", r.ID)
	d.add("Kind", r.Kind)
	d.add("ID", publicID(r))
	d.add("Name", r.Name)
	d.add("State", r.State)
	d.add("Reason", r.Reason)
	d.add("Application", r.AppID)
	d.add("Token", strings.TrimSpace(r.TokenID+" "+r.TokenName))
	d.add("Client", r.ClientAddr)
	d.add("Created", second(r.Created))
	d.add("Started", second(r.Started))
	d.add("Ended", second(r.Ended))
	if !r.Live() {
		d.add("Used", fmt.Sprintf("%.1f vCore-seconds, %d MB-seconds", r.VCoreSeconds, r.MBSeconds))
	}
	var e policies.Effective
	if json.Unmarshal(r.Resources, &e) == nil {
		d.resources(&e)
	}
	var report policies.Report
	if json.Unmarshal(r.Policy, &report) == nil {
		d.report(&report, c.wide)
	}
	d.add("Spark UI", r.SparkUI)
	lines := make([]string, len(r.Log))
	for i, line := range r.Log {
		lines[i] = strings.TrimRight(line, "\n")
	}
	d.list("Log", lines)
	c.writeDetails(&d)
}

// spaced adds spaces to JSON, so that it can be broken into lines.
func (d *details) resources(e *policies.Effective) {
	size := func(memory string, cores int) string {
		if memory == "" {
			return ""
		}
		return gateway.Count(cores, "core") + ", " + memory
	}
	d.add("Language", e.SessionKind)
	d.add("User", e.ProxyUser)
	d.add("Queue", e.Queue)
	d.add("Driver", size(e.DriverMemory, e.DriverCores))
	if e.NumExecutors > 0 {
		d.add("Executors", fmt.Sprintf("%d, each %s", e.NumExecutors, size(e.ExecutorMemory, e.ExecutorCores)))
	}
	d.add("Ends when idle for", e.TTL)
	var conf []string
	for _, key := range slices.Sorted(maps.Keys(e.Conf)) {
		conf = append(conf, key+" = "+e.Conf[key])
	}
	d.list("Conf", conf)
}

func (s *sessionCLI) close() *cobra.Command {
	return s.onRecord("close", "Ends a session or batch; its record stays", func(ref string) error {
		r, err := call[store.Record](s.cli, http.MethodDelete, s.records(ref), nil)
		if err != nil {
			return err
		}
		return s.print(r.raw, func() {
			fmt.Fprintf(s.out, "%s %s is %s\n", r.got.Kind, publicID(&r.got),
				r.got.State)
		})
	})
}

func (s *sessionCLI) ui() *cobra.Command {
	cmd := s.onRecord("ui", "Creates a link to the Spark UI, valid for five minutes", func(ref string) error {
		link, err := call[api.UILink](s.cli, http.MethodPost, s.records(ref, "ui-link"), nil)
		if err != nil {
			return err
		}
		return s.print(link.raw, func() {
			if link.got.URL != "" {
				fmt.Fprintln(s.out, link.got.URL)
				return
			}
			fmt.Fprintln(s.out, link.got.Path)
			fmt.Fprintln(s.err, "Append this path to the address of the site that serves the gateway.")
		})
	})
	cmd.Long = "Creates a link that opens the Spark UI of a session or batch in a browser. It is\nvalid for five minutes."
	return cmd
}

func (s *sessionCLI) export() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "export --gateway NAME",
		Short:   "Exports records as JSON lines, newest first",
		Example: "  caddy livy session export --gateway etl --state dead > records.jsonl",
		Args:    noArgs,
	}
	filter := s.filter(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		q, err := filter()
		if err != nil {
			return err
		}
		return s.copy(query(s.records("export"), q))
	}
	return cmd
}

func (s *sessionCLI) statements() *cobra.Command {
	var p page
	cmd := &cobra.Command{
		Use:   "statements --gateway NAME",
		Short: "Lists the statements that clients ran, newest first",
		Long: `Lists the statements that were run in a gateway's sessions, newest first. They
are on record where the gateway has --statement-audit.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			got, err := get[api.StatementList](s.cli,
				query(s.path(s.gatewayName, "statements"), p.set(url.Values{})))
			if err != nil {
				return err
			}
			return s.print(got.raw, func() {
				t := table{columns: []column{
					{head: "SUBMITTED (UTC)"},
					{head: "SESSION"},
					{head: "STATEMENT"},
					{head: "STATUS"},
					{head: "MS"},
					{head: "TOKEN", flex: true},
					{head: "CODE", flex: true},
				}}
				for _, st := range got.got.Statements {
					code := st.Code
					if code == "" {
						code = "sha256:" + st.CodeHash
					}
					name := st.TokenName
					if name == "" {
						name = st.TokenID
					}
					t.add(minute(st.Submitted), strconv.FormatInt(st.SessionID, 10),
						strconv.FormatInt(st.StatementID, 10),
						dash(st.Status), strconv.FormatInt(st.DurationMs, 10), dash(name), oneLine(code))
				}
				s.write(&t, "No statements.")
				s.more(&p, len(got.got.Statements), got.got.Total)
			})
		},
	}
	p.flags(cmd)
	return cmd
}
