package cli

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

func (c *cli) catalogCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "catalog",
		Short: "Shows what the configuration offers to gateways",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			got, err := get[api.Catalog](c, "/v1/catalog")
			if err != nil {
				return err
			}
			return c.print(got.raw, func() { c.printCatalog(&got.got) })
		},
	}
}

func (c *cli) printCatalog(all *api.Catalog) {
	t := table{columns: []column{{head: "KIND"}, {head: "NAME", flex: true}, {head: "ABOUT", flex: true}}}
	row := func(kind, name string, about ...string) {
		t.add(kind, name, strings.Join(strings.Fields(strings.Join(about, " ")), " "))
	}
	row("cpu", strings.Trim(fmt.Sprint(all.CPUs), "[]"))
	row("memory", strings.Join(all.Memories, " "))
	for _, e := range all.Engines {
		row("engine", e.Name, "Livy", e.LivyVersion(), label("Spark", e.Spark), label("Scala", e.Scala),
			label("Java", e.Java))
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
		use := ""
		if d.Warehouse {
			use = "for warehouses"
		}
		row("directory", d.Name, d.Type, d.Source, "at", d.Path, use)
	}
	for _, f := range all.Fusion {
		row("fusion", f.Name, label("for Spark", strings.Join(f.Spark, ", ")))
	}
	c.write(&t, "")
}

func label(name, value string) string {
	if value == "" {
		return ""
	}
	return name + " " + value
}

// engine is an engine and the gateways that use it.
type engine struct {
	gateway.Engine
	// UsedBy lists the gateways that use it, as "workspace/name".
	UsedBy []string `json:"usedBy"`
}

func (c *cli) engines() ([]engine, error) {
	catalog, err := get[api.Catalog](c, "/v1/catalog")
	if err != nil {
		return nil, err
	}
	list, err := c.listGateways(true, func(*api.Gateway) bool { return true })
	if err != nil {
		return nil, err
	}
	all := []engine{}
	for _, e := range catalog.got.Engines {
		e.Livy = e.LivyVersion()
		one := engine{Engine: e, UsedBy: []string{}}
		for _, g := range list.Gateways {
			if g.Spec.Engine == e.Name {
				one.UsedBy = append(one.UsedBy, g.Ref())
			}
		}
		all = append(all, one)
	}
	return all, nil
}

// location returns where an engine is: an image, a server, or a directory.
func (e *engine) location() string {
	for _, text := range []string{e.Image, e.URL, e.LivyHome} {
		if text != "" {
			return text
		}
	}
	return "-"
}

func (c *cli) engineCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "engine", Short: "Lists and shows engines: a Livy with a Spark version"}
	list := &cobra.Command{
		Use:   "list",
		Short: "Lists the engines of the configuration; the first is the default",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			all, err := c.engines()
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(map[string]any{"engines": all})
			}
			t := table{columns: []column{
				{head: "NAME", flex: true},
				{head: "LIVY"},
				{head: "SPARK"},
				{head: "SCALA"},
				{head: "JAVA"},
				{head: "WHERE", flex: true},
				{head: "USED BY", flex: true},
			}}
			for _, e := range all {
				t.add(e.Name, e.Livy, dash(e.Spark), dash(e.Scala), dash(e.Java), e.location(),
					dash(strings.Join(e.UsedBy, ", ")))
			}
			c.write(&t, "No engines.")
			return nil
		},
	}
	show := &cobra.Command{
		Use:   "show NAME",
		Short: "Shows an engine and the gateways that use it",
		Args:  oneArg,
		ValidArgsFunction: first(func() []string {
			return c.offered("engine")()
		}),
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := c.engines()
			if err != nil {
				return err
			}
			i := slices.IndexFunc(all, func(e engine) bool { return e.Name == args[0] })
			if i < 0 {
				return fromKind(gateway.KindNotFound, fmt.Sprintf("no engine %q in the configuration", args[0]))
			}
			e := all[i]
			if c.json {
				return c.printJSON(e)
			}
			var d details
			d.add("Name", e.Name)
			d.add("Livy", e.Livy)
			d.add("Spark", e.Spark)
			d.add("Scala", e.Scala)
			d.add("Java", e.Java)
			d.add("Image", e.Image)
			d.add("Livy home", e.LivyHome)
			d.add("Spark home", e.SparkHome)
			d.add("Java home", e.JavaHome)
			d.add("Python", e.Python)
			d.add("URL", e.URL)
			d.add("Master", e.Master)
			d.add("Used by", strings.Join(e.UsedBy, ", "))
			c.writeDetails(&d)
			return nil
		},
	}
	cmd.AddCommand(list, show)
	return cmd
}

func (c *cli) environmentCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "environment", Short: "Lists and shows runtime environments"}
	list := &cobra.Command{
		Use:   "list",
		Short: "Lists the environments of the configuration",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			got, err := get[api.EnvironmentList](c, "/v1/environments?limit=1000")
			if err != nil {
				return err
			}
			return c.print(got.raw, func() {
				t := table{columns: []column{
					{head: "NAME", flex: true},
					{head: "DIR", flex: true},
					{head: "USED BY", flex: true},
				}}
				for _, e := range got.got.Environments {
					t.add(e.Name, dash(e.Dir), dash(strings.Join(e.UsedBy, ", ")))
				}
				c.write(&t, "No environments.")
			})
		},
	}
	show := &cobra.Command{
		Use:               "show NAME",
		Short:             "Shows an environment; values of variables are hidden",
		Args:              oneArg,
		ValidArgsFunction: first(func() []string { return c.offered("environment")() }),
		RunE: func(_ *cobra.Command, args []string) error {
			got, err := get[api.Environment](c, "/v1/environments/"+url.PathEscape(args[0]))
			if err != nil {
				return err
			}
			return c.print(got.raw, func() {
				e := got.got
				var d details
				d.add("Name", e.Name)
				d.add("Dir", e.Dir)
				d.list("Python files", e.PyFiles)
				d.list("Jars", e.Jars)
				d.list("Files", e.Files)
				d.list("Archives", e.Archives)
				var conf []string
				for _, key := range slices.Sorted(maps.Keys(e.Conf)) {
					conf = append(conf, key+"="+e.Conf[key])
				}
				d.list("Settings", conf)
				d.list("Variables", slices.Sorted(maps.Keys(e.Env)))
				d.add("Used by", strings.Join(e.UsedBy, ", "))
				c.writeDetails(&d)
			})
		},
	}
	cmd.AddCommand(list, show)
	return cmd
}
