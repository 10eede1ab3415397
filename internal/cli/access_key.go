package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/api"
)

const accessKeysPath = "/v1/access-keys"

func (c *cli) accessKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "access-key",
		Short: "Manages access keys for the SDKs of the managed product",
		Long: `Creates, lists, disables and deletes the access keys with which the managed
product's own SDKs sign their requests (see livy_managed_api). A KEY is named by its
id (lcak-...).

To replace a key, create another one, change to it, disable the old one, and delete it
when nothing misses it.`,
	}
	cmd.AddCommand(c.createAccessKeyCommand(), c.listAccessKeysCommand(), c.showAccessKeyCommand(),
		c.accessKeyVerbCommand("disable", "Disables an access key at once, until it is enabled again"),
		c.accessKeyVerbCommand("enable", "Enables a disabled access key"),
		c.deleteAccessKeyCommand())
	return cmd
}

func (c *cli) createAccessKeyCommand() *cobra.Command {
	var r accesskeys.CreateRequest
	var role string
	cmd := &cobra.Command{
		Use:   "create --name NAME --role ROLE",
		Short: "Creates an access key and shows its secret, once",
		Example: `  caddy livy access-key create --name nightly-scripts --role operator
  caddy livy access-key create --name platform --role admin --in '*'`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := r.Role.UnmarshalText([]byte(role)); err != nil {
				return err
			}
			if len(r.Workspaces) == 0 {
				r.Workspaces = []string{c.workspace}
			}
			key, err := call[api.NewAccessKey](c, http.MethodPost, accessKeysPath, r)
			if err != nil {
				return err
			}
			return c.print(key.raw, func() {
				var d details
				d.add("ID", key.got.ID)
				d.add("Name", key.got.Name)
				d.add("Role", key.got.Role.String()+" in "+inWorkspaces(key.got.Key))
				d.add("User", key.got.User)
				d.add("Secret", key.got.Secret)
				c.writeDetails(&d)
				fmt.Fprintln(c.err, "Copy the secret now: it cannot be shown again.")
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Name, "name", "", "What the key is for")
	f.StringVar(&role, "role", "", "Role of requests with the key: viewer, member, operator or admin")
	f.StringSliceVar(&r.Workspaces, "in", nil, "Workspaces in which it has the role; * for all (default: that of --workspace)")
	f.StringVar(&r.User, "user", "", "User that the key belongs to (default: the key's id)")
	_ = cmd.MarkFlagRequired("name")
	_ = cmd.MarkFlagRequired("role")
	var roles []string
	for _, known := range access.Roles {
		roles = append(roles, known.String())
	}
	complete(cmd, "role", words(roles...))
	complete(cmd, "in", c.workspaces)
	complete(cmd, "name", nothing)
	complete(cmd, "user", nothing)
	return cmd
}

// inWorkspaces tells in words where an access key has its role.
func inWorkspaces(k *accesskeys.Key) string {
	text := strings.Join(k.Workspaces, ", ")
	if text == access.Everywhere {
		return "all workspaces"
	}
	return text
}

func (c *cli) listAccessKeysCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Lists access keys",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			list := api.AccessKeyList{AccessKeys: []*accesskeys.Key{}}
			err := allPages(c, accessKeysPath,
				func(l *api.AccessKeyList) (int, int64) { return len(l.AccessKeys), l.Total },
				func(l *api.AccessKeyList) {
					list.AccessKeys, list.Total = append(list.AccessKeys, l.AccessKeys...), l.Total
				})
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(list)
			}
			out := table{columns: []column{
				{head: "ID"},
				{head: "NAME", flex: true},
				{head: "STATE"},
				{head: "ROLE"},
				{head: "WORKSPACES", flex: true},
				{head: "USER", wide: true},
				{head: "CREATED (UTC)", wide: true},
				{head: "BY", wide: true},
				{head: "LAST USED (UTC)"},
				{head: "FROM", wide: true},
			}}
			for _, k := range list.AccessKeys {
				out.add(k.ID, k.Name, k.State, k.Role.String(), strings.Join(k.Workspaces, ", "), dash(k.User),
					minute(k.CreatedAt), dash(k.CreatedBy), minute(k.LastUsedAt), dash(k.LastAddress))
			}
			c.write(&out, "No access keys.")
			return nil
		},
	}
}

// onAccessKey returns a command for the access key in its argument.
func (c *cli) onAccessKey(verb, short string, run func(path, id string) error) *cobra.Command {
	return &cobra.Command{
		Use:               verb + " KEY",
		Short:             short,
		Args:              oneArg,
		ValidArgsFunction: first(c.accessKeys),
		RunE: func(_ *cobra.Command, args []string) error {
			return run(accessKeysPath+"/"+url.PathEscape(args[0]), args[0])
		},
	}
}

// accessKeys completes access keys.
func (c *cli) accessKeys() (all []string) {
	for _, k := range ask[api.AccessKeyList](c, accessKeysPath+"?limit=1000").AccessKeys {
		all = append(all, k.ID+"\t"+k.Name+", "+k.State)
	}
	return all
}

func (c *cli) showAccessKeyCommand() *cobra.Command {
	return c.onAccessKey("show", "Shows an access key, without its secret", func(path, _ string) error {
		key, err := get[accesskeys.Key](c, path)
		if err != nil {
			return err
		}
		return c.printAccessKey(key)
	})
}

func (c *cli) accessKeyVerbCommand(verb, short string) *cobra.Command {
	return c.onAccessKey(verb, short, func(path, _ string) error {
		key, err := call[accesskeys.Key](c, http.MethodPost, path+"/"+verb, nil)
		if err != nil {
			return err
		}
		return c.printAccessKey(key)
	})
}

func (c *cli) printAccessKey(r reply[accesskeys.Key]) error {
	k := r.got
	return c.print(r.raw, func() {
		used := second(k.LastUsedAt)
		if used != "" {
			used += " from " + k.LastAddress
		}
		var d details
		d.add("ID", k.ID)
		d.add("Name", k.Name)
		d.add("State", k.State)
		d.add("Role", k.Role.String()+" in "+inWorkspaces(&k))
		d.add("User", k.User)
		d.add("Created", second(k.CreatedAt)+" by "+dash(k.CreatedBy))
		d.add("Last used", used)
		c.writeDetails(&d)
	})
}

func (c *cli) deleteAccessKeyCommand() *cobra.Command {
	return c.onAccessKey("delete", "Deletes an access key, which is refused at once", func(path, id string) error {
		if _, err := call[any](c, http.MethodDelete, path, nil); err != nil {
			return err
		}
		if c.json {
			return c.printJSON(map[string]string{"deleted": id})
		}
		fmt.Fprintf(c.out, "deleted access key %s\n", id)
		return nil
	})
}
