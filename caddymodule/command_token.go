package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/api"
)

func (c *cli) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Creates, lists and revokes tokens"}
	var name string
	cmd.PersistentFlags().StringVar(&name, "gateway", "", "Gateway that the token is for")
	_ = cmd.MarkPersistentFlagRequired("gateway")

	var body api.CreateToken
	create := &cobra.Command{
		Use:   "create --gateway NAME",
		Short: "Creates a token and shows its text, once",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var token api.NewToken
			if err := c.call(http.MethodPost, c.path(name, "tokens"), body, &token); err != nil {
				return err
			}
			return c.print(token, func(w io.Writer) {
				fmt.Fprintf(w, "ID:\t%s\nName:\t%s\nExpires:\t%s\nToken:\t%s\n", token.ID, token.Name,
					token.ExpiresAt.Format(time.RFC3339), token.Secret)
				fmt.Fprintln(c.progress, "Copy the token now: it cannot be shown again.")
			})
		},
	}
	create.Flags().StringVar(&body.Name, "name", "token", "Name of the token")
	create.Flags().IntVar(&body.ExpireDays, "expire-days", 0, "Days until it expires, at least 1 (default 365)")

	list := &cobra.Command{
		Use:   "list --gateway NAME",
		Short: "Lists a gateway's tokens",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var list api.TokenList
			if err := c.call(http.MethodGet, c.path(name, "tokens"), nil, &list); err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				fmt.Fprintln(w, "ID\tNAME\tSTATE\tCREATED\tEXPIRES\tLAST USED")
				for _, t := range list.Tokens {
					used := "-"
					if !t.LastUsedAt.IsZero() {
						used = t.LastUsedAt.Format(time.RFC3339)
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, t.State(time.Now()),
						t.CreatedAt.Format(time.RFC3339), t.ExpiresAt.Format(time.RFC3339), used)
				}
			})
		},
	}

	revoke := &cobra.Command{
		Use:   "revoke --gateway NAME TOKENID",
		Short: "Revokes a token: it stops working within a second, everywhere",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := c.call(http.MethodDelete, c.path(name, "tokens", args[0]), nil, nil); err != nil {
				return err
			}
			return c.print(struct {
				Revoked string `json:"revoked"`
			}{args[0]}, func(w io.Writer) { fmt.Fprintf(w, "revoked token %s\n", args[0]) })
		},
	}
	cmd.AddCommand(create, list, revoke)
	return cmd
}

func (c *cli) sessionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "session", Short: "Shows the sessions and batches on record"}
	var name string
	var limit int
	list := &cobra.Command{
		Use:   "list --gateway NAME",
		Short: "Lists a gateway's sessions and batches, newest first",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var list api.RecordList
			if err := c.call(http.MethodGet, c.path(name, "records")+fmt.Sprintf("?limit=%d", limit), nil, &list); err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				fmt.Fprintln(w, "RECORD\tKIND\tID\tNAME\tSTATE\tCREATED\tTOKEN")
				for _, r := range list.Records {
					fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", r.ID, r.Kind, r.PublicID, dash(r.Name), r.State,
						r.Created.Format(time.RFC3339), dash(r.TokenID))
				}
			})
		},
	}
	list.Flags().StringVar(&name, "gateway", "", "Gateway whose records to list")
	list.Flags().IntVar(&limit, "limit", 20, "How many")
	_ = list.MarkFlagRequired("gateway")
	cmd.AddCommand(list)
	return cmd
}
