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
	options := map[string]any{"workspace": &g.Workspace, "manual_start": &g.ManualStart}
	for _, p := range gateway.Parameters() {
		options[p.Option] = p.In(s)
	}
	given := make(map[string]bool)
	for d.NextBlock(1) {
		option := d.Val()
		_, isList := options[option].(*[]string)
		if given[option] && !isList {
			return d.Errf("option %q of gateway is given twice", option)
		}
		given[option] = true
		var err error
		switch target := options[option].(type) {
		case *string:
			err = textArg(d, target)
		case *bool:
			err = flagArg(d, target)
		case *[]string:
			err = appendArgs(d, target)
		case *int:
			var n *int
			if n, err = numberArg(d, true); n != nil {
				*target = *n
			}
		case *gateway.AutoStop:
			target.Enabled = true
			var n *int
			if n, err = numberArg(d, false); n != nil {
				target.Minutes = *n
			}
		case *gateway.AutoStart:
			target.Enabled = true
			target.WaitSeconds, err = numberArg(d, false)
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
