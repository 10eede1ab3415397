package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/api"
)

func (c *cli) catalogCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "catalog",
		Short: "Shows what the configuration offers to gateways",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var all api.Catalog
			if err := c.call(http.MethodGet, "/livy/v1/catalog", nil, &all); err != nil {
				return err
			}
			return c.print(all, func(w io.Writer) {
				row := func(kind, name string, about ...string) {
					fmt.Fprintf(w, "%s\t%s\t%s\n", kind, name, strings.TrimSpace(strings.Join(about, " ")))
				}
				row("KIND", "NAME", "ABOUT")
				row("cpu", strings.Trim(fmt.Sprint(all.CPUs), "[]"))
				row("memory", strings.Join(all.Memories, " "))
				for _, e := range all.Engines {
					row("engine", e.Name, "Livy", e.LivyVersion(), label("Spark", e.Spark), label("Scala", e.Scala), label("Java", e.Java))
				}
				for _, q := range all.Queues {
					row("queue", q)
				}
				for _, cl := range all.Clusters {
					row("cluster", cl.Name, cl.Master, cl.DeployMode)
				}
				for _, e := range all.Environments {
					row("environment", e.Name, e.Dir)
				}
				for _, n := range all.Networks {
					row("network", n.Name, label("VPC", n.VPC))
				}
				for _, d := range all.Directories {
					row("directory", d.Name, d.Type, d.Source, "at", d.Path)
				}
				for _, f := range all.Fusion {
					row("fusion", f.Name, label("for Spark", strings.Join(f.Spark, ", ")))
				}
			})
		},
	}
}

func label(name, value string) string {
	if value == "" {
		return ""
	}
	return name + " " + value
}

func (c *cli) environmentCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "environment", Short: "Lists and shows runtime environments"}
	cmd.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "Lists the environments of the configuration",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var list api.EnvironmentList
			if err := c.call(http.MethodGet, "/livy/v1/environments", nil, &list); err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				fmt.Fprintln(w, "NAME\tDIR\tUSED BY")
				for _, e := range list.Environments {
					fmt.Fprintf(w, "%s\t%s\t%s\n", e.Name, dash(e.Dir), dash(strings.Join(e.UsedBy, ", ")))
				}
			})
		},
	}, &cobra.Command{
		Use:   "show NAME",
		Short: "Shows an environment; values of variables are hidden",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var e api.Environment
			if err := c.call(http.MethodGet, "/livy/v1/environments/"+url.PathEscape(args[0]), nil, &e); err != nil {
				return err
			}
			c.json = true // there is no shorter form worth reading
			return c.print(e, nil)
		},
	})
	return cmd
}
