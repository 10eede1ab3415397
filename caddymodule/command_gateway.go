package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/api"
	"github.com/livygateway/livygateway/gateway"
)

func (c *cli) gatewayCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "gateway", Short: "Creates, changes, lists, starts, stops and deletes gateways"}
	cmd.AddCommand(c.createCommand(), c.updateCommand(), c.listCommand(), c.showCommand(),
		c.lifeCommand("start", "Starts a gateway's Livy server", gateway.StateRunning),
		c.lifeCommand("stop", "Stops a gateway's Livy server, which ends its sessions", gateway.StateStopped),
		c.lifeCommand("restart", "Starts another Livy server in place of a gateway's, which ends its sessions", gateway.StateRunning),
		c.deleteCommand(), c.logsCommand())
	return cmd
}

func (c *cli) listCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists gateways",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			path := c.path() + "?limit=1000"
			if all {
				path = "/livy/v1/gateways?limit=1000"
			}
			var list api.GatewayList
			if err := c.call(http.MethodGet, path, nil, &list); err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				fmt.Fprintln(w, "NAME\tWORKSPACE\tID\tSTATE\tLIVY\tENGINE\tCPU\tMEMORY")
				for _, g := range list.Gateways {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", g.Spec.Name, g.Workspace, g.ID, g.Status.State,
						dash(g.Status.LivyVersion), g.Spec.Engine, g.Spec.CPU, g.Spec.Memory)
				}
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "List the gateways of all workspaces")
	return cmd
}

func (c *cli) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Shows a gateway by its name or id",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			g, err := c.gateway(args[0])
			if err != nil {
				return err
			}
			return c.printGateway(g)
		},
	}
}

func (c *cli) lifeCommand(verb, short string, goal gateway.State) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   verb + " NAME",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var g api.Gateway
			if err := c.call(http.MethodPost, c.path(args[0], verb), nil, &g); err != nil {
				return err
			}
			if wait {
				if err := c.wait(&g, goal); err != nil {
					return err
				}
			}
			return c.printGateway(g)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "Wait until it is done")
	return cmd
}

func (c *cli) deleteCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Deletes a gateway with its tokens and records",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := c.path(args[0])
			if force {
				path += "?force=true"
			}
			if err := c.call(http.MethodDelete, path, nil, nil); err != nil {
				return err
			}
			return c.print(struct {
				Deleted string `json:"deleted"`
			}{args[0]}, func(w io.Writer) { fmt.Fprintf(w, "deleted gateway %s\n", args[0]) })
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "Delete it even while it runs")
	return cmd
}

func (c *cli) logsCommand() *cobra.Command {
	var lines int
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Shows the last output of a gateway's Livy server",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var logs api.Logs
			if err := c.call(http.MethodGet, c.path(args[0], "logs")+fmt.Sprintf("?lines=%d", lines), nil, &logs); err != nil {
				return err
			}
			return c.print(logs, func(w io.Writer) {
				for _, line := range logs.Lines {
					fmt.Fprintln(w, line)
				}
			})
		},
	}
	cmd.Flags().IntVar(&lines, "lines", 100, "How many lines")
	return cmd
}

func (c *cli) gateway(name string) (g api.Gateway, err error) {
	return g, c.call(http.MethodGet, c.path(name), nil, &g)
}

// wait asks until a gateway is where it is wanted.
func (c *cli) wait(g *api.Gateway, goal gateway.State) error {
	last := ""
	deadline := time.Now().Add(10 * time.Minute)
	for time.Now().Before(deadline) {
		if progress := string(g.Status.State) + " " + g.Status.Reason; progress != last {
			fmt.Fprintf(c.progress, "%s: %s\n", g.Spec.Name, strings.TrimSpace(progress))
			last = progress
		}
		switch g.Status.State {
		case goal:
			return nil
		case gateway.StateError:
			return fmt.Errorf("gateway %s: %s", g.Spec.Name, g.Status.Reason)
		}
		time.Sleep(time.Second)
		next, err := c.gateway(g.ID)
		if err != nil {
			return err
		}
		*g = next
	}
	return fmt.Errorf("gateway %s is still %s after ten minutes", g.Spec.Name, g.Status.State)
}

func (c *cli) printGateway(g api.Gateway) error {
	return c.print(g, func(w io.Writer) {
		for _, row := range [][2]string{
			{"Name", g.Spec.Name},
			{"Workspace", g.Workspace},
			{"ID", g.ID},
			{"State", string(g.Status.State)},
			{"Reason", g.Status.Reason},
			{"Livy", g.Status.LivyVersion},
			{"Engine", g.Spec.Engine},
			{"Resources", fmt.Sprintf("%d CPU, %s", g.Spec.CPU, g.Spec.Memory)},
			{"Fusion", g.Spec.Fusion},
			{"Cluster", g.Spec.Cluster},
			{"Queue", g.Spec.Queue},
			{"Identity", g.Spec.Identity},
			{"Environment", g.Spec.Environment},
			{"Network", g.Spec.Network},
			{"Directories", strings.Join(g.Spec.Directories, ", ")},
			{"Public", fmt.Sprint(g.Spec.Public)},
			{"Auto-stop", autoStop(g.Spec.AutoStop)},
			{"Auto-start", autoStart(g.Spec.AutoStart)},
			{"Endpoint", g.Endpoint},
			{"Restart needed", strings.Join(g.RestartNeeded, ", ")},
			{"Note", strings.Join(g.Notes, "; ")},
			{"Created", g.CreatedAt.Format(time.RFC3339) + " by " + g.CreatedBy},
		} {
			if row[1] != "" {
				fmt.Fprintf(w, "%s:\t%s\n", row[0], row[1])
			}
		}
		for i, t := range g.History {
			head := ""
			if i == 0 {
				head = "History:"
			}
			fmt.Fprintf(w, "%s\t%s %s by %s %s\n", head, t.Time.Format(time.RFC3339), t.To, t.Actor, t.Cause)
		}
	})
}

func autoStop(a gateway.AutoStop) string {
	if !a.Enabled {
		return ""
	}
	return fmt.Sprintf("after %d idle minutes", a.Minutes)
}

func autoStart(a gateway.AutoStart) string {
	if !a.Enabled {
		return ""
	}
	return fmt.Sprintf("by a request, which waits up to %d s", a.Wait())
}

func (c *cli) policyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Shows what a gateway's policy does"}
	var name, kind string
	explain := &cobra.Command{
		Use:   "explain --gateway NAME BODY.json",
		Short: "Shows what would become of a create request, without sending it",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var body []byte
			var err error
			if args[0] == "-" {
				body, err = io.ReadAll(os.Stdin)
			} else {
				body, err = os.ReadFile(args[0])
			}
			if err != nil {
				return err
			}
			var explanation any
			path := c.path(name, "policy", "explain") + "?kind=" + url.QueryEscape(kind)
			if err := c.call(http.MethodPost, path, body, &explanation); err != nil {
				return err
			}
			c.json = true // there is no shorter form worth reading
			return c.print(explanation, nil)
		},
	}
	explain.Flags().StringVar(&name, "gateway", "", "Gateway whose policy to apply")
	explain.Flags().StringVar(&kind, "kind", "session", "What the body would create: session or batch")
	_ = explain.MarkFlagRequired("gateway")
	cmd.AddCommand(explain)
	return cmd
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
