package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/gateway"
)

// unmarshalDeclared parses a gateway of the global block:
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
//	    warehouse         <directory>|<url>
//	    public
//	    isolated
//	    auto_stop         [<minutes>]
//	    auto_start        [<seconds to wait>]
//	    warm              <kind>|auto [<number>] {
//	        max_age           <duration>
//	        driver_memory     <size>
//	        driver_cores      <number>
//	        executor_memory   <size>
//	        executor_cores    <number>
//	        num_executors     <number>
//	        queue             <name>
//	        jars              <uri>...
//	        py_files          <uri>...
//	        files             <uri>...
//	        archives          <uri>...
//	        heartbeat_timeout <seconds>
//	        ttl               <duration>
//	        conf              <key> <value>
//	    }
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
// Multi-line values are best written as heredocs, or as {file./path}.
func (a *App) unmarshalDeclared(d *caddyfile.Dispenser) error {
	g := new(DeclaredGateway)
	s := &g.Spec
	if err := directive.Text(d, &s.Name); err != nil {
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
		if _, ok := options[option].(*[]gateway.Warm); ok {
			isList = true
		}
		if given[option] && !isList {
			return d.Errf("option %q of gateway is given twice", option)
		}
		given[option] = true
		var err error
		switch target := options[option].(type) {
		case *string:
			err = directive.Text(d, target)
		case *bool:
			err = directive.Flag(d, target)
		case *[]string:
			err = directive.Append(d, target)
		case *int:
			var n *int
			if n, err = directive.Number(d, true); n != nil {
				*target = *n
			}
		case *gateway.AutoStop:
			target.Enabled = true
			var n *int
			if n, err = directive.Number(d, false); n != nil {
				target.Minutes = *n
			}
		case *gateway.AutoStart:
			target.Enabled = true
			target.WaitSeconds, err = directive.Number(d, false)
		case *[]gateway.Warm:
			err = unmarshalWarm(d, target)
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

// unmarshalWarm parses a shape of sessions to start ahead.
func unmarshalWarm(d *caddyfile.Dispenser, to *[]gateway.Warm) error {
	var w gateway.Warm
	if err := w.Begin(d.RemainingArgs()...); err != nil {
		return d.WrapErr(err)
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if err := w.Set(option, d.RemainingArgs()...); err != nil {
			return d.WrapErr(err)
		}
	}
	*to = append(*to, w)
	return nil
}
