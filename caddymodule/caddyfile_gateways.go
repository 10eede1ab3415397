package caddymodule

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/internal/gateway"
)

// unmarshalDeclared reads a gateway of the global block:
//
//	gateway <name> {
//	    workspace         <name>
//	    manual_start
//	    cpu               <cores>
//	    memory            <size>
//	    engine            <name>
//	    livy_version      <version>
//	    fusion            <name>
//	    cluster           <name>
//	    queue             <name>
//	    identity          <user>
//	    network           <name>
//	    environment       <name>
//	    directories       <name>...
//	    mount_to_executor
//	    public
//	    isolated
//	    auto_stop         [<minutes>]
//	    auto_start        [<seconds to wait>]
//	    statement_audit   hash|code
//	    disable_routes    <route>...
//	    spark_defaults    <text>
//	    livy_conf         <text>
//	    livy_client_conf  <text>
//	    spark_blacklist   <text>
//	    policy            open|strict
//	    policy_rules      <text>
//	}
//
// Texts are best given as heredocs, or as {file./path}.
func (a *App) unmarshalDeclared(d *caddyfile.Dispenser) error {
	g := new(DeclaredGateway)
	s := &g.Spec
	if err := textArg(d, &s.Name); err != nil {
		return err
	}
	texts := map[string]*string{
		"workspace": &g.Workspace, "memory": &s.Memory, "engine": &s.Engine, "livy_version": &s.LivyVersion,
		"fusion": &s.Fusion, "cluster": &s.Cluster, "queue": &s.Queue, "identity": &s.Identity, "network": &s.Network,
		"environment": &s.Environment, "statement_audit": &s.StatementAudit, "spark_defaults": &s.SparkDefaults,
		"livy_conf": &s.LivyConf, "livy_client_conf": &s.LivyClientConf, "spark_blacklist": &s.SparkBlacklist,
		"policy": &s.Policy, "policy_rules": &s.PolicyRules,
	}
	flags := map[string]*bool{
		"manual_start": &g.ManualStart, "mount_to_executor": &s.MountToExecutor, "public": &s.Public, "isolated": &s.Isolated,
	}
	lists := map[string]*[]string{"directories": &s.Directories, "disable_routes": &s.DisabledRoutes}
	given := make(map[string]bool)
	for d.NextBlock(1) {
		option := d.Val()
		if given[option] && lists[option] == nil {
			return d.Errf("option %q of gateway is given twice", option)
		}
		given[option] = true
		var err error
		switch {
		case texts[option] != nil:
			err = textArg(d, texts[option])
		case flags[option] != nil:
			err = flagArg(d, flags[option])
		case lists[option] != nil:
			err = appendArgs(d, lists[option])
		case option == "cpu":
			var n *int
			if n, err = numberArg(d, true); n != nil {
				s.CPU = *n
			}
		case option == "auto_stop":
			s.AutoStop.Enabled = true
			var n *int
			if n, err = numberArg(d, false); n != nil {
				s.AutoStop.Minutes = *n
			}
		case option == "auto_start":
			s.AutoStart = gateway.AutoStart{Enabled: true}
			s.AutoStart.WaitSeconds, err = numberArg(d, false)
		default:
			err = d.Errf("unknown option %q of gateway", option)
		}
		if err != nil {
			return err
		}
	}
	a.Gateways = append(a.Gateways, g)
	return nil
}

// numberArg reads an option's only argument; nil if there is none and none is wanted.
func numberArg(d *caddyfile.Dispenser, wanted bool) (*int, error) {
	option := d.Val()
	args := d.RemainingArgs()
	if len(args) == 0 && !wanted {
		return nil, nil
	}
	if len(args) != 1 {
		return nil, d.ArgErr()
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, d.Errf("%s: %q is not a number", option, args[0])
	}
	return &n, nil
}
