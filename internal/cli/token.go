package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

func (c *cli) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Creates, lists, changes, resets and revokes tokens"}
	t := &tokenCLI{cli: c}
	c.gatewayFlag(cmd, &t.gatewayName, "Gateway that the token is for")
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

// readSecret reads a token that the caller chose from a file, so that it stands
// in no list of processes; "-" is standard input.
func (t *tokenCLI) readSecret(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := t.readFile(file)
	return strings.TrimSpace(string(text)), err
}

// readFile reads a file that the command line names; "-" is standard input.
func (c *cli) readFile(name string) ([]byte, error) {
	var text []byte
	var err error
	if name == "-" {
		text, err = io.ReadAll(c.in)
	} else {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, gateway.Wrap(gateway.KindInvalid, "reading "+name, err)
	}
	return text, nil
}

const tokenFileUsage = "File with the text to use as the token, at least 16 characters (- for standard input; default: a new one is made)"

func (t *tokenCLI) createCommand() *cobra.Command {
	var file, owner string
	cmd := &cobra.Command{
		Use:   "create --gateway NAME",
		Short: "Creates a token and shows it, once",
		Example: `  caddy livy token create --gateway etl --name airflow --expire-days 90
  caddy livy token create --gateway etl --scope read --cidr 10.0.0.0/8`,
		Args: noArgs,
	}
	read := tokenFlags(cmd)
	cmd.Flags().StringVar(&file, "token-file", "", tokenFileUsage)
	cmd.Flags().StringVar(&owner, "owner", "", "User whose token it is, who may then see, reset, disable and revoke it")
	complete(cmd, "owner", nothing)
	cmd.RunE = func(*cobra.Command, []string) error {
		settings := read()
		if settings.Name == nil {
			name := "token"
			settings.Name = &name
		}
		secret, err := t.readSecret(file)
		if err != nil {
			return err
		}
		token, err := call[api.NewToken](t.cli, http.MethodPost, t.tokens(), tokens.CreateRequest{Settings: settings, Owner: owner, Secret: secret})
		if err != nil {
			return err
		}
		return t.printSecret(token)
	}
	return cmd
}

func (t *tokenCLI) printSecret(token reply[api.NewToken]) error {
	return t.print(token.raw, func() {
		var d details
		d.add("ID", token.got.ID)
		d.add("Name", token.got.Name)
		d.add("Expires", second(token.got.ExpiresAt))
		d.add("Token", token.got.Secret)
		t.writeDetails(&d)
		fmt.Fprintln(t.err, "Copy the token now: it cannot be shown again.")
	})
}

func (t *tokenCLI) listCommand() *cobra.Command {
	var states []string
	var owner string
	cmd := &cobra.Command{
		Use:   "list --gateway NAME",
		Short: "Lists a gateway's tokens",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			list := api.TokenList{Tokens: []api.Token{}}
			err := allPages(t.cli, query(t.tokens(), url.Values{"owner": {owner}}), func(l *api.TokenList) (int, int64) { return len(l.Tokens), l.Total }, func(l *api.TokenList) {
				for _, token := range l.Tokens {
					if len(states) == 0 || isOneOf(token.State, states) {
						list.Tokens = append(list.Tokens, token)
					}
				}
			})
			if err != nil {
				return err
			}
			list.Total = int64(len(list.Tokens))
			if t.json {
				return t.printJSON(list)
			}
			out := table{columns: []column{
				{head: "ID"},
				{head: "NAME", flex: true},
				{head: "STATE"},
				{head: "SCOPES", wide: true},
				{head: "CREATED (UTC)", wide: true},
				{head: "BY", wide: true},
				{head: "OWNER", wide: true},
				{head: "EXPIRES"},
				{head: "LAST USED (UTC)"},
				{head: "USES", wide: true},
			}}
			for _, token := range list.Tokens {
				out.add(token.ID, token.Name, token.State, dash(scopes(token)), minute(token.CreatedAt), dash(token.CreatedBy), dash(token.Owner),
					token.ExpiresAt.UTC().Format(time.DateOnly), minute(token.LastUsedAt), strconv.FormatInt(token.Uses, 10))
			}
			t.write(&out, "No tokens.")
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&states, "state", nil, "Only those in one of these states: active, disabled, expired, revoked")
	complete(cmd, "state", words("active", "disabled", "expired", "revoked"))
	cmd.Flags().StringVar(&owner, "owner", "", "Only those of this user")
	complete(cmd, "owner", nothing)
	return cmd
}

func scopes(t api.Token) string {
	list := make([]string, len(t.Scopes))
	for i, s := range t.Scopes {
		list[i] = string(s)
	}
	return strings.Join(list, ", ")
}

func (t *tokenCLI) printToken(r reply[api.Token]) error {
	token := r.got
	return t.print(r.raw, func() {
		ranges := make([]string, len(token.CIDRs))
		for i, r := range token.CIDRs {
			ranges[i] = r.String()
		}
		used := second(token.LastUsedAt)
		if used != "" {
			used += " from " + token.LastAddress + " by " + dash(token.LastAgent)
		}
		var d details
		d.add("ID", token.ID)
		d.add("Name", token.Name)
		d.add("State", token.State)
		d.add("Created", second(token.CreatedAt)+" by "+dash(token.CreatedBy))
		d.add("Owner", token.Owner)
		d.add("Expires", second(token.ExpiresAt))
		d.add("Old secret until", second(token.PreviousUntil))
		d.add("Old secret used", second(token.PreviousUsedAt))
		d.add("Scopes", scopes(token))
		d.add("Addresses", strings.Join(ranges, ", "))
		d.add("Identity", token.Identity)
		d.add("Queue", token.Queue)
		d.add("Sessions", limit(float64(token.MaxSessions)))
		d.add("Batches", limit(float64(token.MaxBatches)))
		d.add("Requests/s", limit(token.RequestsPerSecond))
		d.add("Last used", used)
		d.add("Uses", strconv.FormatInt(token.Uses, 10))
		t.writeDetails(&d)
	})
}

func limit(n float64) string {
	if n == 0 {
		return ""
	}
	return "at most " + strconv.FormatFloat(n, 'g', -1, 64)
}

// onToken is a command for the token that its argument names.
func (t *tokenCLI) onToken(verb, short string, run func(id string) error) *cobra.Command {
	return &cobra.Command{
		Use:               verb + " --gateway NAME TOKENID",
		Short:             short,
		Args:              oneArg,
		ValidArgsFunction: first(t.tokensOf(&t.gatewayName)),
		RunE:              func(_ *cobra.Command, args []string) error { return run(args[0]) },
	}
}

func (t *tokenCLI) showCommand() *cobra.Command {
	return t.onToken("show", "Shows a token, without its text", func(id string) error {
		token, err := get[api.Token](t.cli, t.tokens(id))
		if err != nil {
			return err
		}
		return t.printToken(token)
	})
}

func (t *tokenCLI) updateCommand() *cobra.Command {
	var read func() tokens.Settings
	cmd := t.onToken("update", "Changes a token's name, expiry, scopes or limits", func(id string) error {
		change := read()
		if change == (tokens.Settings{}) {
			return badUsage(errors.New("nothing to change: give a flag for each thing to change"))
		}
		token, err := call[api.Token](t.cli, http.MethodPatch, t.tokens(id), change)
		if err != nil {
			return err
		}
		return t.printToken(token)
	})
	read = tokenFlags(cmd)
	return cmd
}

func (t *tokenCLI) resetCommand() *cobra.Command {
	var overlap time.Duration
	var days int
	var file string
	var cmd *cobra.Command
	cmd = t.onToken("reset", "Gives a token a new text, which it shows once", func(id string) (err error) {
		body := tokens.ResetRequest{OverlapHours: overlap.Hours(), ExpireDays: ifGiven(cmd.Flags().Changed("expire-days"), &days)}
		if body.Secret, err = t.readSecret(file); err != nil {
			return err
		}
		token, err := call[api.NewToken](t.cli, http.MethodPost, t.tokens(id, "reset"), body)
		if err != nil {
			return err
		}
		return t.printSecret(token)
	})
	cmd.Example = "  caddy livy token reset --gateway etl lctk-... --overlap 24h"
	cmd.Flags().IntVar(&days, "expire-days", 0, "Days until it expires (default: unchanged)")
	cmd.Flags().DurationVar(&overlap, "overlap", 0, "How long the old token keeps working, at most 168h")
	cmd.Flags().StringVar(&file, "token-file", "", tokenFileUsage)
	return cmd
}

func (t *tokenCLI) verbCommand(verb, short string) *cobra.Command {
	return t.onToken(verb, short, func(id string) error {
		token, err := call[api.Token](t.cli, http.MethodPost, t.tokens(id, verb), nil)
		if err != nil {
			return err
		}
		return t.printToken(token)
	})
}

func (t *tokenCLI) revokeCommand() *cobra.Command {
	return t.onToken("revoke", "Revokes a token for good, everywhere within a second", func(id string) error {
		if _, err := call[any](t.cli, http.MethodDelete, t.tokens(id), nil); err != nil {
			return err
		}
		if t.json {
			return t.printJSON(map[string]string{"revoked": id})
		}
		fmt.Fprintf(t.out, "revoked token %s\n", id)
		return nil
	})
}
