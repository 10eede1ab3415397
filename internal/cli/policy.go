package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
)

func (c *cli) policyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Shows what a gateway's policy does"}
	var gatewayName string
	c.gatewayFlag(cmd, &gatewayName, "Gateway whose policy to show")
	cmd.AddCommand(c.policyShow(&gatewayName), c.policyExplain(&gatewayName))
	return cmd
}

func (c *cli) policyShow(gatewayName *string) *cobra.Command {
	return &cobra.Command{
		Use:   "show --gateway NAME",
		Short: "Shows the rules in force and where each comes from",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			got, err := get[api.Policy](c, c.path(*gatewayName, "policy"))
			if err != nil {
				return err
			}
			return c.print(got.raw, func() {
				t := table{columns: []column{
					{head: "EFFECT"},
					{head: "KEY", flex: true},
					{head: "VALUE", flex: true},
					{head: "SOURCE", flex: true},
				}}
				for _, r := range got.got.Rules {
					t.add(r.Effect, r.Key, dash(r.Value), r.Source)
				}
				c.write(&t, "No rules but the built-in guards.")
				c.printNotes(got.got.Notes)
			})
		},
	}
}

func (c *cli) policyExplain(gatewayName *string) *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:   "explain --gateway NAME BODY.json",
		Short: "Shows what the policy would do to a create request",
		Long: `Shows what the policy would do to a create request, without sending it: what is
ignored, forced, lowered or refused, by which rule, and what Livy would get.
BODY.json is the body that a client would send; - is standard input.

With --policy-rules and the other files, it shows what these would do in place of
the gateway's own, before they hold for anybody; mistyped keys are in the notes.

The exit code is 0 if the request would pass, 6 if it would be refused, and 2 if
BODY.json is not JSON.`,
		Example: `  caddy livy policy explain --gateway etl --kind batch body.json
  caddy livy policy explain --gateway etl --policy-rules new.rules body.json`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := c.readFile(args[0])
			if err != nil {
				return err
			}
			settings, err := c.readSettings(cmd)
			if err != nil {
				return err
			}
			verb := "explain"
			var payload any = body
			if len(settings) > 0 {
				verb = "try"
				trial, err := policyTrial(settings, body)
				if err != nil {
					return err
				}
				payload = trial
			}
			got, err := call[api.Explanation](c, http.MethodPost,
				query(c.path(*gatewayName, "policy", verb), url.Values{"kind": {kind}}), payload)
			if err != nil {
				return err
			}
			if err := c.print(got.raw, func() { c.printExplanation(&got.got) }); err != nil {
				return err
			}
			if got.got.Refusal != nil && !json.Valid(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))) {
				return &failure{ExitCode: exitInvalid}
			}
			if got.got.Refusal != nil {
				return &failure{ExitCode: exitForbidden}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "session", "What the body would create: session or batch")
	complete(cmd, "kind", words("session", "batch"))
	for _, p := range gateway.Parameters() {
		if p.File != "" {
			cmd.Flags().String(p.Flag, "", "Try this "+p.File+" (- for standard input) in place of the gateway's")
		}
	}
	return cmd
}

// policyTrial returns the request that tries settings on a create request.
func policyTrial(settings map[string]any, body []byte) (api.PolicyTrial, error) {
	text, err := json.Marshal(settings)
	if err != nil {
		return api.PolicyTrial{}, err
	}
	if !json.Valid(body) {
		return api.PolicyTrial{}, badUsage(errors.New("BODY.json is not JSON"))
	}
	return api.PolicyTrial{Settings: text, Request: body}, nil
}

// printNotes shows what a person should know of a policy.
func (c *cli) printNotes(notes []string) {
	if len(notes) == 0 {
		return
	}
	var d details
	d.list("Notes", notes)
	fmt.Fprintln(c.out)
	c.writeDetails(&d)
}

func (c *cli) printExplanation(e *api.Explanation) {
	if e.Refusal != nil {
		fmt.Fprintln(c.out, strings.Join(c.wrap("Refused: "+e.Refusal.Detail, c.width()), "\n"))
	} else {
		fmt.Fprintln(c.out, "The request would be accepted.")
	}
	var d details
	d.report(&e.Report, true)
	if len(d.names) > 0 {
		fmt.Fprintln(c.out)
		c.writeDetails(&d)
	}
	c.printNotes(e.Notes)
	if len(e.Body) > 0 && string(e.Body) != "null" {
		body, err := json.MarshalIndent(e.Body, "", "  ")
		if err == nil {
			fmt.Fprintf(c.out, "\nLivy would receive:\n%s\n", body)
		}
	}
}

// report adds what a policy did to a request; with quiet also what it does to every one.
func (d *details) report(r *policies.Report, quiet bool) {
	for _, part := range []struct {
		effect  string
		entries []policies.Entry
	}{
		{"Refused", r.Refused}, {"Ignored", r.Ignored}, {"Lowered", r.Lowered}, {"Forced", r.Forced}, {"Noted", r.Noted},
	} {
		for _, entry := range part.entries {
			if entry.Quiet && !quiet {
				continue
			}
			what := entry.Key
			if entry.Given != "" {
				what += " = " + entry.Given
			}
			if entry.Set != "" {
				what += ", set to " + entry.Set
			}
			d.list(part.effect, []string{what, "  " + entry.Rule + " (" + entry.Source + ")"})
		}
	}
}
