package cli

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

func (c *cli) gatewayCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "gateway", Short: "Creates, changes, lists, starts, stops and deletes gateways"}
	cmd.AddCommand(c.createCommand(), c.updateCommand(), c.listCommand(), c.showCommand(),
		c.lifeCommand("start", "Starts a gateway's Livy server", gateway.StateRunning),
		c.lifeCommand("stop", "Stops a gateway's Livy server, which ends its sessions", gateway.StateStopped),
		c.lifeCommand("restart", "Replaces a gateway's Livy server with a new one", gateway.StateRunning),
		c.restartNeededCommand(), c.deleteCommand(), c.logsCommand())
	return cmd
}

func (c *cli) listCommand() *cobra.Command {
	var all bool
	var states []string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Lists gateways",
		Example: "  caddy livy gateway list --all --state Running,Starting",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := knownWords("state", states, gatewayStates); err != nil {
				return err
			}
			list, err := c.listGateways(all, func(g *api.Gateway) bool {
				return len(states) == 0 || isOneOf(string(g.Status.State), states)
			})
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(list)
			}
			t := table{columns: []column{
				{head: "NAME", flex: true},
				{head: "WORKSPACE", flex: true, wide: !all},
				{head: "ID"},
				{head: "STATE"},
				{head: "ENGINE", flex: true},
				{head: "CPU"},
				{head: "MEMORY"},
				{head: "LIVY", wide: true},
				{head: "CREATED (UTC)", wide: true},
				{head: "BY", wide: true},
				{head: "NOTE", flex: true, wide: true},
			}}
			for _, g := range list.Gateways {
				t.add(g.Spec.Name, g.Workspace, g.ID, string(g.Status.State), dash(g.Spec.Engine),
					strconv.Itoa(g.Spec.CPU), g.Spec.Memory,
					dash(g.Status.LivyVersion), minute(g.CreatedAt), g.CreatedBy, dash(strings.Join(g.Notes,
						"; ")))
			}
			c.write(&t, "No gateways.")
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "List the gateways of all workspaces")
	cmd.Flags().StringSliceVar(&states, "state", nil, "Only gateways in one of these states: Created, Starting, Running, Stopping, Stopped, Error, Deleting")
	complete(cmd, "state", words(gatewayStates...))
	return cmd
}

var gatewayStates = []string{"Created", "Starting", "Running", "Stopping", "Stopped", "Error", "Deleting"}

func isOneOf(s string, list []string) bool {
	for _, v := range list {
		if strings.EqualFold(s, v) {
			return true
		}
	}
	return false
}

// listGateways lists the gateways for which keep returns true.
func (c *cli) listGateways(all bool, keep func(*api.Gateway) bool) (api.GatewayList, error) {
	path := c.path()
	if all {
		path = "/v1/gateways"
	}
	list := api.GatewayList{Gateways: []api.Gateway{}}
	err := allPages(c, path, func(l *api.GatewayList) (int, int64) { return len(l.Gateways), l.Total },
		func(l *api.GatewayList) {
			for i := range l.Gateways {
				if keep(&l.Gateways[i]) {
					list.Gateways = append(list.Gateways, l.Gateways[i])
				}
			}
		})
	list.Total = int64(len(list.Gateways))
	return list, err
}

func (c *cli) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "show NAME",
		Short:             "Shows a gateway by its name or id",
		Args:              oneArg,
		ValidArgsFunction: first(c.gateways),
		RunE: func(_ *cobra.Command, args []string) error {
			g, err := get[api.Gateway](c, c.path(args[0]))
			if err != nil {
				return err
			}
			return c.printGateway(g)
		},
	}
}

// pending is a gateway that needs a restart for some settings.
type pending struct {
	Name      string   `json:"name"`
	Workspace string   `json:"workspace"`
	ID        string   `json:"id"`
	Settings  []string `json:"restartNeeded"`
}

func (c *cli) restartNeededCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "restart-needed [NAME]",
		Short: "Lists the gateways that must be restarted for changes",
		Long: `Lists the running gateways that were changed in a way that their Livy server
takes up only when it is started again, and the settings it lacks.`,
		Args:              atMostOneArg,
		ValidArgsFunction: first(c.gateways),
		RunE: func(_ *cobra.Command, args []string) error {
			var found []api.Gateway
			if len(args) == 1 {
				g, err := get[api.Gateway](c, c.path(args[0]))
				if err != nil {
					return err
				}
				found = append(found, g.got)
			} else {
				list, err := c.listGateways(all, func(*api.Gateway) bool { return true })
				if err != nil {
					return err
				}
				found = list.Gateways
			}
			list := []pending{}
			t := table{columns: []column{
				{head: "NAME", flex: true},
				{head: "WORKSPACE", wide: !all},
				{head: "ID"},
				{head: "SETTINGS", flex: true},
			}}
			for _, g := range found {
				if len(g.RestartNeeded) > 0 {
					list = append(list, pending{g.Spec.Name, g.Workspace, g.ID, g.RestartNeeded})
					t.add(g.Spec.Name, g.Workspace, g.ID, strings.Join(g.RestartNeeded, ", "))
				}
			}
			if c.json {
				return c.printJSON(map[string]any{"gateways": list})
			}
			c.write(&t, "No restart is needed.")
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "Include the gateways of all workspaces")
	return cmd
}

func (c *cli) createCommand() *cobra.Command {
	var start bool
	var w waiting
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Creates a gateway",
		Example: `  caddy livy gateway create etl --cpu 2 --memory 8Gi --start --wait
  caddy livy gateway create notebooks --auto-stop 45 --auto-start`,
		Args:              oneArg,
		ValidArgsFunction: first(nothing),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := c.readSettings(cmd)
			if err != nil {
				return err
			}
			if w.wait && !start {
				return badUsage(errors.New("--wait goes with --start: without it the gateway is only created"))
			}
			body["name"], body["start"] = args[0], start
			g, err := call[api.Gateway](c, http.MethodPost, c.path(), body)
			if err != nil {
				return err
			}
			return c.finish(g, w.wait && start, gateway.StateRunning, &w)
		},
	}
	c.addSettings(cmd)
	cmd.Flags().BoolVar(&start, "start", false, "Start the gateway immediately")
	w.flags(cmd, "With --start: wait until it runs")
	return cmd
}

// finish waits, if requested, and shows the gateway.
func (c *cli) finish(g reply[api.Gateway], wait bool, goal gateway.State, w *waiting) error {
	if wait {
		var err error
		if g, err = c.await(g, goal, w.timeout); err != nil {
			return err
		}
	}
	return c.printGateway(g)
}

func (c *cli) updateCommand() *cobra.Command {
	var name string
	var restart bool
	var unset []string
	var w waiting
	var d draining
	cmd := &cobra.Command{
		Use:   "update NAME",
		Short: "Changes a gateway's settings",
		Long: `Changes the settings of a gateway that are named, and leaves the others as they
are. "Restart needed" lists those that the running Livy server lacks until it is
started again.`,
		Example: `  caddy livy gateway update etl --memory 16Gi --restart --wait
  caddy livy gateway update etl --engine spark-3.5 --restart --drain=4h
  caddy livy gateway update etl --unset queue,livyConf`,
		Args:              d.args,
		ValidArgsFunction: first(c.gateways),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := c.readSettings(cmd)
			if err != nil {
				return err
			}
			if name != "" {
				body["name"] = name
			}
			fields, err := unsetFields(unset)
			if err != nil {
				return err
			}
			for _, field := range fields {
				if _, ok := body[field]; ok {
					return badUsage(fmt.Errorf("--unset: %s is set by another flag", field))
				}
				body[field] = nil
			}
			if err := d.check(cmd); err != nil {
				return err
			}
			if (d.drain > 0 || d.now) && !restart {
				return badUsage(errors.New("--drain and --now go with --restart"))
			}
			if w.wait && !restart {
				return badUsage(errors.New("--wait goes with --restart: a change alone is done at once"))
			}
			if len(body) == 0 && !restart {
				return badUsage(errors.New("nothing to change: give a flag for each setting to change, or --unset"))
			}
			q := url.Values{}
			if restart {
				q.Set("restart", "true")
			}
			d.query(q)
			g, err := call[api.Gateway](c, http.MethodPatch, query(c.path(args[0]), q), body)
			if err != nil {
				return err
			}
			return c.finish(g, w.wait && restart, gateway.StateRunning, &w)
		},
	}
	c.addSettings(cmd)
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "New name")
	f.StringSliceVar(&unset, "unset", nil, "Field to reset to its default, e.g. livyConf (may be repeated)")
	f.BoolVar(&restart, "restart", false,
		"Restart the Livy server if the change needs it, which ends its sessions unless it drains")
	d.flags(cmd, "With --restart: start", "With --restart: stop")
	complete(cmd, "name", nothing)
	complete(cmd, "unset", words(settingFields()...))
	w.flags(cmd, "With --restart: wait until it runs")
	return cmd
}

func (c *cli) lifeCommand(verb, short string, goal gateway.State) *cobra.Command {
	var w waiting
	var d draining
	cmd := &cobra.Command{
		Use:               verb + " NAME",
		Short:             short,
		Args:              d.args,
		ValidArgsFunction: first(c.gateways),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := d.check(cmd); err != nil {
				return err
			}
			q := url.Values{}
			d.query(q)
			g, err := call[api.Gateway](c, http.MethodPost, query(c.path(args[0], verb), q), nil)
			if err != nil {
				return err
			}
			return c.finish(g, w.wait, goal, &w)
		},
	}
	if verb == "restart" {
		cmd.Long = `Replaces a running gateway's Livy server with a new one, which ends its
sessions. Their records stay.

With --drain, the new server is started beside the present one. As soon as it
answers, it takes all new sessions and batches. The present one keeps those
that it has until they have ended, or until the time has passed. It is stopped
then.`
		cmd.Example = `  caddy livy gateway restart etl --drain=30m --wait`
		d.flags(cmd, "Start", "Stop")
	}
	w.flags(cmd, "Wait until it is done")
	return cmd
}

func (c *cli) deleteCommand() *cobra.Command {
	var yes, force bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Deletes a gateway with its tokens and records",
		Long: `Deletes a gateway with its tokens and the records of its sessions and batches.
This cannot be undone, so --yes is asked for. Tables in its warehouse stay.`,
		Example:           "  caddy livy gateway delete etl --yes",
		Args:              oneArg,
		ValidArgsFunction: first(c.gateways),
		RunE: func(_ *cobra.Command, args []string) error {
			if !yes && !force {
				f := fromKind(gateway.KindInvalid,
					fmt.Sprintf("deleting gateway %s deletes its tokens and records too", args[0]))
				f.hint = "Pass --yes to confirm."
				return f
			}
			q := url.Values{}
			if force {
				q.Set("force", "true")
			}
			left, err := call[*api.Gateway](c, http.MethodDelete, query(c.path(args[0]), q), nil)
			if err != nil {
				return err
			}
			if left.got != nil {
				return stillDeleting(left.got)
			}
			if c.json {
				return c.printJSON(map[string]string{"deleted": args[0]})
			}
			fmt.Fprintf(c.out, "deleted gateway %s\n", args[0])
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "Confirm the deletion")
	cmd.Flags().BoolVar(&force, "force", false, "Delete it even if it is running; implies --yes")
	return cmd
}

// stillDeleting returns the error for a deletion that takes longer than the API waits for it.
func stillDeleting(g *api.Gateway) error {
	f := fromKind(gateway.KindUnavailable,
		fmt.Sprintf("gateway %s is still being deleted (%s)", g.Spec.Name, g.Status.Reason))
	f.ExitCode = exitTimeout
	f.hint = "The deletion goes on. The name can be used again once the gateway is gone."
	return f
}
