package cli

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
)

// completion returns completions, each optionally followed by a tab and a description. It returns
// none if the API does not answer in time.
type completion func() []string

// completeTimeout bounds how long the shell waits.
const completeTimeout = 2 * time.Second

// complete sets the completion of a flag.
func complete(cmd *cobra.Command, flag string, f completion) {
	_ = cmd.RegisterFlagCompletionFunc(flag,
		func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return f(), cobra.ShellCompDirectiveNoFileComp
		})
}

// first completes the only argument of a command.
func first(f completion) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(), cobra.ShellCompDirectiveNoFileComp
	}
}

// nothing returns no completions, not even files.
func nothing() []string { return nil }

// words returns a fixed completion.
func words(list ...string) completion { return func() []string { return list } }

// ask calls the API while the shell waits.
func ask[T any](c *cli, path string) (v T) {
	ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
	defer cancel()
	r, _ := callWith[T](ctx, c, http.MethodGet, path, nil)
	return r.got
}

func (c *cli) gateways() []string {
	var all []string
	for _, g := range ask[api.GatewayList](c, c.path()+"?limit=1000").Gateways {
		all = append(all, g.Spec.Name+"\t"+string(g.Status.State))
	}
	return all
}

func (c *cli) workspaces() []string {
	var all []string
	seen := map[string]bool{}
	for _, g := range ask[api.GatewayList](c, "/v1/gateways?limit=1000").Gateways {
		if !seen[g.Workspace] {
			seen[g.Workspace] = true
			all = append(all, g.Workspace)
		}
	}
	return all
}

// tokensOf completes the tokens of the gateway in --gateway.
func (c *cli) tokensOf(gatewayName *string) completion {
	return func() (all []string) {
		for _, t := range ask[api.TokenList](c, c.path(*gatewayName, "tokens")+"?limit=1000").Tokens {
			all = append(all, t.ID+"\t"+t.Name+", "+t.State)
		}
		return all
	}
}

// recordsOf completes the latest records of the gateway in --gateway.
func (c *cli) recordsOf(gatewayName *string) completion {
	return func() (all []string) {
		for _, r := range ask[api.RecordList](c, c.path(*gatewayName, "records")).Records {
			all = append(all, r.ID+"\t"+strings.TrimSpace(r.Kind+" "+publicID(r)+", "+r.State+" "+r.Name))
		}
		return all
	}
}

// offered completes the configured values for a setting of a gateway.
func (c *cli) offered(flag string) completion {
	return func() []string {
		switch flag {
		case "statement-audit":
			return []string{"hash", "code"}
		case "policy":
			return []string{"open", "strict"}
		case "public", "isolated", "mount-to-executor":
			return []string{"true", "false"}
		}
		catalog := ask[api.Catalog](c, "/v1/catalog")
		if catalog.Catalog == nil {
			return nil
		}
		var all []string
		switch flag {
		case "cpu":
			for _, n := range catalog.CPUs {
				all = append(all, strconv.Itoa(n))
			}
		case "memory":
			all = catalog.Memories
		case "engine":
			for _, v := range catalog.Engines {
				all = append(all, v.Name)
			}
		case "queue":
			all = catalog.Queues
		case "cluster":
			for _, v := range catalog.Clusters {
				all = append(all, v.Name+"\t"+v.Master)
			}
		case "environment":
			for _, v := range catalog.Environments {
				all = append(all, v.Name)
			}
		case "network":
			for _, v := range catalog.Networks {
				all = append(all, v.Name)
			}
		case "directory", "warehouse":
			for _, v := range catalog.Directories {
				if v.Warehouse == (flag == "warehouse") {
					all = append(all, v.Name+"\t"+v.Path)
				}
			}
		case "fusion":
			for _, v := range catalog.Fusion {
				all = append(all, v.Name)
			}
		}
		return all
	}
}

// gatewayFlag adds --gateway, which every command below cmd needs.
func (c *cli) gatewayFlag(cmd *cobra.Command, target *string, usage string) {
	cmd.PersistentFlags().StringVar(target, "gateway", "", usage)
	_ = cmd.MarkPersistentFlagRequired("gateway")
	complete(cmd, "gateway", c.gateways)
}
