package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/api"
	"github.com/livygateway/livygateway/tokens"
)

func (c *cli) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Creates, lists, changes, resets and revokes tokens"}
	t := &tokenCLI{cli: c}
	cmd.PersistentFlags().StringVar(&t.gatewayName, "gateway", "", "Gateway that the token is for")
	_ = cmd.MarkPersistentFlagRequired("gateway")
	cmd.AddCommand(t.createCommand(), t.listCommand(), t.showCommand(), t.updateCommand(), t.resetCommand(),
		t.verbCommand("disable", "Makes a token be refused until it is enabled again"),
		t.verbCommand("enable", "Lets a disabled token be used again"),
		t.revokeCommand())
	return cmd
}

// tokenCLI is the command line for the tokens of one gateway.
type tokenCLI struct {
	*cli
	gatewayName string
}

func (t *tokenCLI) tokens(parts ...string) string {
	return t.path(append([]string{t.gatewayName, "tokens"}, parts...)...)
}

// settingsFlags adds the flags for what can be said of a token; read gives those
// that were set.
func settingsFlags(cmd *cobra.Command) (read func() api.TokenSettings) {
	f := cmd.Flags()
	name := f.String("name", "", "Name of the token")
	days := f.Int("expire-days", 0, "Days until it expires, at least 1 (default 365)")
	scopes := f.StringSlice("scope", nil, "What it may do: sessions, batches, read, admin (default: everything)")
	cidrs := f.StringSlice("cidr", nil, "Address range that may use it, e.g. 10.0.0.0/8 (default: all)")
	identity := f.String("identity", "", "User that its jobs run as, instead of the gateway's")
	queue := f.String("queue", "", "Queue that its jobs are put into, instead of the gateway's")
	sessions := f.Int("max-sessions", 0, "Most live sessions (0: no limit)")
	batches := f.Int("max-batches", 0, "Most live batches (0: no limit)")
	rate := f.Float64("requests-per-second", 0, "Most requests a second (0: no limit)")
	return func() (s api.TokenSettings) {
		given := func(flag string) bool { return f.Changed(flag) }
		s.Name = ifGiven(given("name"), name)
		s.ExpireDays = ifGiven(given("expire-days"), days)
		s.CIDRs = ifGiven(given("cidr"), cidrs)
		s.Identity = ifGiven(given("identity"), identity)
		s.Queue = ifGiven(given("queue"), queue)
		s.MaxSessions = ifGiven(given("max-sessions"), sessions)
		s.MaxBatches = ifGiven(given("max-batches"), batches)
		s.RequestsPerSecond = ifGiven(given("requests-per-second"), rate)
		if given("scope") {
			all := make([]tokens.Scope, len(*scopes))
			for i, scope := range *scopes {
				all[i] = tokens.Scope(scope)
			}
			s.Scopes = &all
		}
		return s
	}
}

func ifGiven[T any](given bool, v *T) *T {
	if given {
		return v
	}
	return nil
}

// readSecret reads a token that the caller chose from a file, so that it stands
// in no list of processes; "-" is standard input.
func readSecret(file string) (string, error) {
	switch file {
	case "":
		return "", nil
	case "-":
		text, err := io.ReadAll(os.Stdin)
		return strings.TrimSpace(string(text)), err
	default:
		text, err := os.ReadFile(file)
		return strings.TrimSpace(string(text)), err
	}
}

const tokenFileUsage = "File with the text to use as the token, at least 16 characters (- for standard input; default: a new one is made)"

func (t *tokenCLI) createCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "create --gateway NAME",
		Short: "Creates a token and shows its text, once",
		Args:  cobra.NoArgs,
	}
	read := settingsFlags(cmd)
	cmd.Flags().StringVar(&file, "token-file", "", tokenFileUsage)
	cmd.RunE = func(*cobra.Command, []string) error {
		settings := read()
		if settings.Name == nil {
			name := "token"
			settings.Name = &name
		}
		secret, err := readSecret(file)
		if err != nil {
			return err
		}
		var token api.NewToken
		if err := t.call(http.MethodPost, t.tokens(), api.CreateToken{TokenSettings: settings, Secret: secret}, &token); err != nil {
			return err
		}
		return t.printSecret(token)
	}
	return cmd
}

func (t *tokenCLI) printSecret(token api.NewToken) error {
	return t.print(token, func(w io.Writer) {
		fmt.Fprintf(w, "ID:\t%s\nName:\t%s\nExpires:\t%s\nToken:\t%s\n", token.ID, token.Name,
			token.ExpiresAt.Format(time.RFC3339), token.Secret)
		fmt.Fprintln(t.progress, "Copy the token now: it cannot be shown again.")
	})
}

func (t *tokenCLI) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list --gateway NAME",
		Short: "Lists a gateway's tokens",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var list api.TokenList
			if err := t.call(http.MethodGet, t.tokens()+"?limit=1000", nil, &list); err != nil {
				return err
			}
			return t.print(list, func(w io.Writer) {
				fmt.Fprintln(w, "ID\tNAME\tSTATE\tCREATED\tEXPIRES\tLAST USED")
				for _, token := range list.Tokens {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", token.ID, token.Name, token.State,
						token.CreatedAt.Format(time.RFC3339), token.ExpiresAt.Format(time.RFC3339), dash(at(token.LastUsedAt)))
				}
			})
		},
	}
}

// at is a time for people, empty for none.
func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

func (t *tokenCLI) printToken(token api.Token) error {
	return t.print(token, func(w io.Writer) {
		scopes := make([]string, len(token.Scopes))
		for i, s := range token.Scopes {
			scopes[i] = string(s)
		}
		ranges := make([]string, len(token.CIDRs))
		for i, r := range token.CIDRs {
			ranges[i] = r.String()
		}
		used := at(token.LastUsedAt)
		if used != "" {
			used += " from " + token.LastAddress + " by " + dash(token.LastAgent)
		}
		for _, row := range [][2]string{
			{"ID", token.ID},
			{"Name", token.Name},
			{"State", token.State},
			{"Created", at(token.CreatedAt) + " by " + token.CreatedBy},
			{"Expires", at(token.ExpiresAt)},
			{"Old secret until", at(token.PreviousUntil)},
			{"Old secret used", at(token.PreviousUsedAt)},
			{"Scopes", strings.Join(scopes, ", ")},
			{"Addresses", strings.Join(ranges, ", ")},
			{"Identity", token.Identity},
			{"Queue", token.Queue},
			{"Sessions", limit(float64(token.MaxSessions))},
			{"Batches", limit(float64(token.MaxBatches))},
			{"Requests/s", limit(token.RequestsPerSecond)},
			{"Last used", used},
			{"Uses", strconv.FormatInt(token.Uses, 10)},
		} {
			if row[1] != "" {
				fmt.Fprintf(w, "%s:\t%s\n", row[0], row[1])
			}
		}
	})
}

func limit(n float64) string {
	if n == 0 {
		return ""
	}
	return "at most " + strconv.FormatFloat(n, 'g', -1, 64)
}

func (t *tokenCLI) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show --gateway NAME TOKENID",
		Short: "Shows a token, without its text",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var token api.Token
			if err := t.call(http.MethodGet, t.tokens(args[0]), nil, &token); err != nil {
				return err
			}
			return t.printToken(token)
		},
	}
}

func (t *tokenCLI) updateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "update --gateway NAME TOKENID",
		Short: "Changes a token's name, expiry, scopes or limits",
		Args:  cobra.ExactArgs(1),
	}
	read := settingsFlags(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		settings := read()
		var token api.Token
		if err := t.call(http.MethodPatch, t.tokens(args[0]), settings, &token); err != nil {
			return err
		}
		return t.printToken(token)
	}
	return cmd
}

func (t *tokenCLI) resetCommand() *cobra.Command {
	var body api.ResetToken
	var overlap time.Duration
	var file string
	cmd := &cobra.Command{
		Use:   "reset --gateway NAME TOKENID",
		Short: "Gives a token a new text, which it shows once",
		Args:  cobra.ExactArgs(1),
	}
	days := cmd.Flags().Int("expire-days", 0, "Days until it expires (default: as before)")
	cmd.Flags().DurationVar(&overlap, "overlap", 0, "How long the old text works too, at most 168h")
	cmd.Flags().StringVar(&file, "token-file", "", tokenFileUsage)
	cmd.RunE = func(_ *cobra.Command, args []string) (err error) {
		body.OverlapHours = overlap.Hours()
		body.ExpireDays = ifGiven(cmd.Flags().Changed("expire-days"), days)
		if body.Secret, err = readSecret(file); err != nil {
			return err
		}
		var token api.NewToken
		if err := t.call(http.MethodPost, t.tokens(args[0], "reset"), body, &token); err != nil {
			return err
		}
		return t.printSecret(token)
	}
	return cmd
}

func (t *tokenCLI) verbCommand(verb, short string) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " --gateway NAME TOKENID",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var token api.Token
			if err := t.call(http.MethodPost, t.tokens(args[0], verb), nil, &token); err != nil {
				return err
			}
			return t.printToken(token)
		},
	}
}

func (t *tokenCLI) revokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke --gateway NAME TOKENID",
		Short: "Revokes a token: it stops working within a second, everywhere",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := t.call(http.MethodDelete, t.tokens(args[0]), nil, nil); err != nil {
				return err
			}
			return t.print(struct {
				Revoked string `json:"revoked"`
			}{args[0]}, func(w io.Writer) { fmt.Fprintf(w, "revoked token %s\n", args[0]) })
		},
	}
}
