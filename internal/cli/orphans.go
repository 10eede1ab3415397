package cli

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
)

func (c *cli) orphansCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "orphans",
		Short: "Lists Livy servers that belong to no gateway",
		Long: `Lists the Livy servers that the Caddy that is asked can see, that belong to no
gateway, and that another installation started: one whose Redis was lost, or one
that shares the machine. They are left alone. If they are not needed any more,
end them by hand; INSTANCE is the id of the container, or the process id and its
start time.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			got, err := get[api.OrphanList](c, "/v1/orphans")
			if err != nil {
				return err
			}
			return c.print(got.raw, func() {
				t := table{columns: []column{
					{head: "INSTANCE", flex: true}, {head: "GATEWAY"}, {head: "INSTALLATION"}, {head: "STARTED"}, {head: "STATE"},
				}}
				for _, o := range got.got.Orphans {
					state := "running"
					if !o.Running {
						state = "ended"
					}
					t.add(o.Instance, o.GatewayID, cmp.Or(o.Installation, "-"), minute(o.Started), state)
				}
				c.write(&t, "No orphans.")
			})
		},
	}
}
