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
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Creates, lists, changes, resets and revokes tokens",
		Long: `Creates, lists, changes, resets and revokes tokens. A TOKEN is named by its id
(lctk-...), or by its name if only one token of the gateway has it.`,
	}
	t := &tokenCLI{cli: c}
	c.gatewayFlag(cmd, &t.gatewayName, "Gateway that the token is for")
	cmd.AddCommand(t.createCommand(), t.listCommand(), t.showCommand(), t.updateCommand(), t.resetCommand(),
		t.verbCommand("disable", "Disables a token until it is enabled again"),
		t.verbCommand("enable", "Enables a disabled token"),
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

// readSecret reads a supplied token from a file, so that it does not appear in process lists; "-"
// is standard input.
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

const tokenFileUsage = "File with the text to use as the token, at least 16 characters (- for standard input; default: a new one is generated)"

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
	cmd.Flags().StringVar(&owner, "owner", "", "User who owns the token and can see, reset, disable and revoke it")
	complete(cmd, "owner", nothing)
	cmd.RunE = func(*cobra.Command, []string) error {
		settings := read()
		secret, err := t.readSecret(file)
		if err != nil {
			return err
		}
		token, err := t.create(tokens.CreateRequest{Settings: settings, Owner: owner, Secret: secret})
		if err != nil {
			return err
		}
		return t.printSecret(token)
	}
	return cmd
}

// create creates a token. One without a name is named token, or token-2 and so on if that is the
// name of another one.
func (t *tokenCLI) create(r tokens.CreateRequest) (token reply[api.NewToken], err error) {
	named := r.Name != nil
	for n := 1; ; n++ {
		if !named {
			name := "token"
			if n > 1 {
				name += "-" + strconv.Itoa(n)
			}
			r.Name = &name
		}
		token, err = call[api.NewToken](t.cli, http.MethodPost, t.tokens(), r)
		taken := err != nil && asFailure(err).Field == "name" && asFailure(err).Status == http.StatusConflict
		if named || !taken || n == maxUnnamed {
			return token, err
		}
	}
}

// maxUnnamed bounds the tokens of a gateway that get their name from the command line.
const maxUnnamed = 100

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
			if err := knownWords("state", states, tokenStates); err != nil {
				return err
			}
			q := url.Values{"owner": {owner}}
			if isOneOf("revoked", states) {
				q.Set("revoked", "true")
			}
			list := api.TokenList{Tokens: []api.Token{}}
			err := allPages(t.cli, query(t.tokens(), q),
				func(l *api.TokenList) (int, int64) { return len(l.Tokens), l.Total }, func(l *api.TokenList) {
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
				{head: "ADDRESSES", wide: true},
				{head: "LIMITS", wide: true},
				{head: "IDENTITY", wide: true},
				{head: "QUEUE", wide: true},
				{head: "CREATED (UTC)", wide: true},
				{head: "BY", wide: true},
				{head: "OWNER", wide: true},
				{head: "EXPIRES"},
				{head: "LAST USED (UTC)"},
				{head: "USES", wide: true},
			}}
			for _, token := range list.Tokens {
				out.add(token.ID, token.Name, token.State, dash(scopes(token)),
					dash(ranges(token)), dash(limits(token)), dash(token.Identity), dash(token.Queue),
					minute(token.CreatedAt), dash(token.CreatedBy), dash(token.Owner),
					token.ExpiresAt.UTC().Format(time.DateOnly), minute(token.LastUsedAt), strconv.FormatInt(token.Uses, 10))
			}
			t.write(&out, "No tokens.")
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&states, "state", nil, "Only tokens in one of these states: active, disabled, expired, revoked (in the last 30 days)")
	complete(cmd, "state", words(tokenStates...))
	cmd.Flags().StringVar(&owner, "owner", "", "Only tokens of this user")
	complete(cmd, "owner", nothing)
	return cmd
}

var tokenStates = []string{"active", "disabled", "expired", "revoked"}

func ranges(t api.Token) string {
	list := make([]string, len(t.CIDRs))
	for i, r := range t.CIDRs {
		list[i] = r.String()
	}
	return strings.Join(list, ", ")
}

// limits are a token's limits in a cell.
func limits(t api.Token) string {
	var list []string
	for _, l := range []struct {
		n    float64
		what string
	}{{float64(t.MaxSessions), "sessions"}, {float64(t.MaxBatches), "batches"}, {t.RequestsPerSecond, "requests/s"}} {
		if l.n != 0 {
			list = append(list, strconv.FormatFloat(l.n, 'g', -1, 64)+" "+l.what)
		}
	}
	return strings.Join(list, ", ")
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
		d.add("Revoked", second(token.RevokedAt))
		d.add("Old secret until", second(token.PreviousUntil))
		d.add("Old secret used", second(token.PreviousUsedAt))
		d.add("Scopes", scopes(token))
		d.add("Addresses", ranges(token))
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

// onToken returns a command for the token in its argument.
func (t *tokenCLI) onToken(verb, short string, run func(id string) error) *cobra.Command {
	return &cobra.Command{
		Use:               verb + " --gateway NAME TOKEN",
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
			return badUsage(errors.New("nothing to change: give a flag for each setting to change"))
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
	cmd = t.onToken("reset", "Replaces a token with a new one under the same id, shown once",
		func(id string) (err error) {
			body := tokens.ResetRequest{
				OverlapHours: overlap.Hours(),
				ExpireDays:   ifGiven(cmd.Flags().Changed("expire-days"), &days),
			}
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
	cmd.Flags().Var(daysValue{&days}, "expire-days", "Days until it expires (default: unchanged)")
	durationFlag(cmd, &overlap, "overlap", 0, "How long the old token keeps working, e.g. 24h, at most 7d")
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
	return t.onToken("revoke", "Revokes a token permanently; takes effect within a second",
		func(id string) error {
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
