package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/control"
)

func (c *cli) healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Reports whether this instance is ready to serve, and why not",
		Long: `Says whether the Caddy that is asked can serve gateways, as load balancers ask
for it, and why not. The exit code is 0 if it is ready, and 5 if it is not.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			resp, err := c.send(c.ctx, http.MethodGet, "/v1/health", nil, nil)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				return fmt.Errorf("reading the reply: %w", err)
			}
			var h control.Health
			if json.Unmarshal(text, &h) != nil || !h.Live {
				return readProblem(resp, text)
			}
			if err := c.print(text, func() {
				if h.Ready {
					fmt.Fprintln(c.out, "ready")
					return
				}
				fmt.Fprintln(c.out, "not ready")
				var d details
				for _, r := range h.Reasons {
					d.add(r.Part, r.Message)
				}
				c.writeDetails(&d)
			}); err != nil {
				return err
			}
			if !h.Ready {
				return &failure{ExitCode: exitUnavailable}
			}
			return nil
		},
	}
}
