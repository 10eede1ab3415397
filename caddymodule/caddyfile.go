package caddymodule

import (
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/gateway"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("livy", parseApp)
}

func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		return nil, d.Err("the livy option is given twice")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "livy", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile parses the global option:
//
//	livy {
//	    redis <url>|embedded {
//	        prefix          <text>
//	        ca              <file>
//	        cert            <file> <key>
//	        server_name     <name>
//	        timeout         <duration>
//	        connect_timeout <duration>
//	    }
//	    runtime docker|kubernetes|process|static { ... }
//	    engine <name> {
//	        livy       <version>
//	        spark      <version>
//	        scala      <version>
//	        java       <version>
//	        image      <image>
//	        livy_home  <dir>
//	        spark_home <dir>
//	        java_home  <dir>
//	        python     <file>
//	        url        <url>
//	        master     <master>
//	    }
//	    cpu           <cores>...
//	    memory        <size>...
//	    queue         <name>...
//	    cluster       <name> { ... }
//	    environment   <name> { ... }
//	    network       <name> { ... }
//	    directory     <name> { ... }
//	    fusion        <name> [{ ... }]
//	    gateway       <name> [{ ... }]
//	    ldap_login    <name> { ... }
//	    history_server <url> {
//	        event_logs <dir>|<uri>
//	    }
//	    open_lineage  <url> {
//	        namespace <name>
//	    }
//	    budget        <name> { ... }
//	    quota         <name> { ... }
//	    webhook       <url> { ... }
//	    spark_ui      <address>
//	    local_dir     <dir>...
//	    tokens {
//	        max_lifetime <duration>
//	        grace        <duration>
//	        self_service {
//	            max_lifetime <duration>
//	            max_tokens   <number>
//	            scopes       <scope>...
//	        }
//	    }
//	    roles {
//	        <role> [user <name>...] [group <name>...]
//	        workspace <name> {
//	            <role> [user <name>...] [group <name>...]
//	        }
//	    }
//	    sealing_key   {file.<path>}|{env.<name>}...
//	    metrics {
//	        without_gateways
//	        server_usage <duration>|never
//	    }
//	    max_body      <size>
//	    max_code      <size>
//	    max_upload    <size>
//	    schemes       <scheme>...
//	    policy        open|strict
//	    allow_conf    <key>...
//	    allow_class   <class>...
//	    livy_keys     <key>...
//	    client_identity
//	    custom_classpath
//	    start_timeout <duration>
//	    unresponsive_after   <duration>
//	    restart_unresponsive <duration>|never
//	    retention     <duration>
//	    audit_retention <duration>
//	    on_exit       keep|stop
//	}
//
// catalogOptions parse the catalog, and unmarshalDeclared gateways.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // livy
	if d.NextArg() {
		return d.ArgErr()
	}
	options := map[string]any{
		"queue": &a.Queues, "local_dir": &a.LocalDirs, "allow_conf": &a.AllowConf, "allow_class": &a.AllowClasses,
		"schemes": &a.Schemes, "livy_keys": &a.LivyKeys, "policy": &a.Mode, "on_exit": &a.OnExit, "spark_ui": &a.SparkUI,
		"sealing_key": &a.SealingKeys,
		"max_body":    &a.MaxBody, "max_code": &a.MaxCode, "max_upload": &a.MaxUpload,
		"client_identity": &a.ClientIdentity, "custom_classpath": &a.CustomClasspath,
		"start_timeout": &a.StartTimeout, "unresponsive_after": &a.UnresponsiveAfter,
		"retention": &a.Retention, "audit_retention": &a.AuditRetention,
	}
	once := map[string]bool{"schemes": true, "livy_keys": true, "sealing_key": true}
	given := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		_, isList := options[option].(*[]string)
		repeatable := slices.Contains([]string{"gateway", "budget", "quota", "webhook"}, option) || catalogOptions[option] != nil || isList && !once[option]
		if given[option] && !repeatable {
			return d.Errf("option %q is given twice", option)
		}
		given[option] = true
		if err := a.unmarshalOption(d, option, options[option]); err != nil {
			return err
		}
	}
	return nil
}

// unmarshalOption parses an option into target, if it has one.
func (a *App) unmarshalOption(d *caddyfile.Dispenser, option string, target any) error {
	if read := catalogOptions[option]; read != nil {
		return read(a, d)
	}
	switch target := target.(type) {
	case *string:
		return directive.Text(d, target)
	case *bool:
		return directive.Flag(d, target)
	case *[]string:
		return directive.Append(d, target)
	case *int64:
		return directive.Size(d, target)
	case *caddy.Duration:
		return directive.Duration(d, target)
	}
	switch option {
	case "redis":
		return a.unmarshalRedis(d)
	case "runtime":
		if !d.NextArg() {
			return d.ArgErr()
		}
		name := d.Val()
		module, err := caddyfile.UnmarshalModule(d, "livy.runtimes."+name)
		if err != nil {
			return err
		}
		a.RuntimeRaw = caddyconfig.JSONModuleObject(module, "runtime", name, nil)
		return nil
	case "gateway":
		return a.unmarshalDeclared(d)
	case "history_server":
		a.HistoryServer = new(gateway.HistoryServer)
		return readEntry(d, a.HistoryServer)
	case "open_lineage":
		a.OpenLineage = new(gateway.OpenLineage)
		return readEntry(d, a.OpenLineage)
	case "budget":
		return a.unmarshalBudget(d)
	case "quota":
		return a.unmarshalQuota(d)
	case "webhook":
		return a.unmarshalWebhook(d)
	case "tokens":
		return a.unmarshalTokens(d)
	case "restart_unresponsive":
		return directive.Limit(d, &a.RestartUnresponsive, never)
	case "metrics":
		return a.unmarshalMetrics(d)
	case "roles":
		return a.unmarshalRoles(d)
	default:
		return d.Errf("unknown option %q", option)
	}
}

// never is the value of RestartUnresponsive that disables restarts.
const never caddy.Duration = -1

func (a *App) unmarshalRedis(d *caddyfile.Dispenser) error {
	a.Redis = new(Redis)
	args := d.RemainingArgs()
	switch {
	case len(args) > 1:
		return d.ArgErr()
	case len(args) == 1 && args[0] == "embedded":
		a.Redis.Embedded = true
	case len(args) == 1 && args[0] == "":
		return directive.Empty(d, "redis")
	case len(args) == 1:
		a.Redis.URL = args[0]
	}
	for d.NextBlock(1) {
		if err := a.Redis.unmarshalOption(d); err != nil {
			return err
		}
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*App)(nil)
