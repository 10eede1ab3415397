package caddymodule

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/dustin/go-humanize"

	"github.com/livygateway/livygateway/internal/gateway"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("livy", parseApp)
	httpcaddyfile.RegisterDirective("livy_gateway", parseGateway)
	httpcaddyfile.RegisterHandlerDirective("livy_health", parseHealth)
	httpcaddyfile.RegisterHandlerDirective("livy_api", parseAPI)
	httpcaddyfile.RegisterHandlerDirective("livy_spark_ui", parseSparkUI)
	// Health and API pass on what is not their own to the next.
	for _, directive := range []string{"livy_health", "livy_api", "livy_spark_ui", "livy_gateway"} {
		httpcaddyfile.RegisterDirectiveOrder(directive, httpcaddyfile.Before, "respond")
	}
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

// UnmarshalCaddyfile reads the global option:
//
//	livy {
//	    redis <url>|embedded {
//	        prefix <text>
//	    }
//	    runtime docker|process|static { ... }
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
//	    retention     <duration>
//	    audit_retention <duration>
//	    on_exit       keep|stop
//	}
//
// The catalog is read by catalogOptions, gateways by unmarshalDeclared.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // livy
	if d.NextArg() {
		return d.ArgErr()
	}
	options := map[string]any{
		"queue": &a.Queues, "local_dir": &a.LocalDirs, "allow_conf": &a.AllowConf, "allow_class": &a.AllowClasses,
		"schemes": &a.Schemes, "livy_keys": &a.LivyKeys, "policy": &a.Mode, "on_exit": &a.OnExit, "spark_ui": &a.SparkUI,
		"max_body": &a.MaxBody, "max_code": &a.MaxCode, "max_upload": &a.MaxUpload,
		"client_identity": &a.ClientIdentity, "custom_classpath": &a.CustomClasspath,
		"start_timeout": &a.StartTimeout, "retention": &a.Retention, "audit_retention": &a.AuditRetention,
	}
	once := map[string]bool{"schemes": true, "livy_keys": true}
	given := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		_, isList := options[option].(*[]string)
		repeatable := option == "gateway" || catalogOptions[option] != nil || isList && !once[option]
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

// unmarshalOption reads an option into target, if it has one.
func (a *App) unmarshalOption(d *caddyfile.Dispenser, option string, target any) error {
	if read := catalogOptions[option]; read != nil {
		return read(a, d)
	}
	switch target := target.(type) {
	case *string:
		return textArg(d, target)
	case *bool:
		return flagArg(d, target)
	case *[]string:
		return appendArgs(d, target)
	case *int64:
		return sizeArg(d, target)
	case *caddy.Duration:
		return durationArg(d, target)
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
	case "tokens":
		return a.unmarshalTokens(d)
	case "roles":
		return a.unmarshalRoles(d)
	default:
		return d.Errf("unknown option %q", option)
	}
}

func sizeArg(d *caddyfile.Dispenser, target *int64) error {
	option := d.Val()
	var text string
	if !d.AllArgs(&text) {
		return d.ArgErr()
	}
	size, err := humanize.ParseBytes(text)
	if err != nil || size > math.MaxInt64 {
		return d.Errf("%s: %q is not a size such as 1MiB", option, text)
	}
	*target = int64(size)
	return nil
}

func durationArg(d *caddyfile.Dispenser, target *caddy.Duration) error {
	option := d.Val()
	var text string
	if !d.AllArgs(&text) {
		return d.ArgErr()
	}
	duration, err := caddy.ParseDuration(text)
	if err != nil {
		return d.Errf("%s: %v", option, err)
	}
	*target = caddy.Duration(duration)
	return nil
}

// textArg reads an option's only argument. An empty one is an error: it is most
// often {$NAME} of a variable that is not set, and would be as if the option were not
// there.
func textArg(d *caddyfile.Dispenser, target *string) error {
	option := d.Val()
	if !d.AllArgs(target) {
		return d.ArgErr()
	}
	if *target == "" {
		return emptyArg(d, option)
	}
	return nil
}

func emptyArg(d *caddyfile.Dispenser, option string) error {
	return d.Errf("%s: its argument is empty; is an environment variable not set? Leave the option out if nothing is meant", option)
}

func flagArg(d *caddyfile.Dispenser, target *bool) error {
	*target = true
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

func appendArgs(d *caddyfile.Dispenser, list *[]string) error {
	option, args := d.Val(), d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	if slices.Contains(args, "") {
		return emptyArg(d, option)
	}
	*list = append(*list, args...)
	return nil
}

func (a *App) unmarshalRedis(d *caddyfile.Dispenser) error {
	a.Redis = new(Redis)
	args := d.RemainingArgs()
	switch {
	case len(args) > 1:
		return d.ArgErr()
	case len(args) == 1 && args[0] == "embedded":
		a.Redis.Embedded = true
	case len(args) == 1 && args[0] == "":
		return emptyArg(d, "redis")
	case len(args) == 1:
		a.Redis.URL = args[0]
	}
	for d.NextBlock(1) {
		if d.Val() != "prefix" {
			return d.Errf("unknown option %q of redis", d.Val())
		}
		if err := textArg(d, &a.Redis.Prefix); err != nil {
			return err
		}
	}
	return nil
}

// parseGateway expands the directive
//
//	livy_gateway [<matcher>] [<name>] {
//	    workspace <name>
//	    public
//	}
//
// into the handlers that make a gateway, with Caddy's reverse_proxy at the end.
func parseGateway(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next() // livy_gateway
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	g := new(Gateway)
	if err := g.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	route := caddyhttp.Route{HandlersRaw: []json.RawMessage{
		caddyconfig.JSONModuleObject(g, "handler", "livy_gateway", nil),
		caddyconfig.JSONModuleObject(new(Token), "handler", "livy_token", nil),
		caddyconfig.JSONModuleObject(new(Policy), "handler", "livy_policy", nil),
		caddyconfig.JSONModuleObject(new(Record), "handler", "livy_record", nil),
		caddyconfig.JSONModuleObject(proxy(), "handler", "reverse_proxy", nil),
	}}
	if matcher != nil {
		route.MatcherSetsRaw = []caddy.ModuleMap{matcher}
	}
	return []httpcaddyfile.ConfigValue{{Class: "route", Value: route}}, nil
}

// UnmarshalCaddyfile reads the directive's arguments and block.
func (h *Gateway) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Reset()
	d.Next() // livy_gateway
	args := d.RemainingArgs()
	switch len(args) {
	case 0:
	case 1:
		if args[0] == "" { // it would be all gateways
			return emptyArg(d, "livy_gateway")
		}
		h.Gateway = args[0]
	default:
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		switch d.Val() {
		case "workspace":
			if err := textArg(d, &h.Workspace); err != nil {
				return err
			}
		case "public":
			if d.NextArg() {
				return d.ArgErr()
			}
			h.Public = true
		default:
			return d.Errf("unknown option %q", d.Val())
		}
	}
	if h.Workspace != "" && h.Gateway == "" {
		return d.Err("workspace needs a gateway name: without one, the path names both")
	}
	return nil
}

// proxy is Caddy's reverse_proxy as Livy needs it. Creates and statements on a
// starting session answer late, so only connecting has a time limit; nothing is
// retried, since a create that is sent twice starts two sessions; connections are
// given up before Livy does, which closes idle ones after 30 seconds, since a create
// sent in that moment would fail; replies come uncompressed, because ids in them may
// have to be changed.
func proxy() *reverseproxy.Handler {
	off := false
	transport := &reverseproxy.HTTPTransport{
		DialTimeout: caddy.Duration(2 * time.Second),
		Compression: &off,
		KeepAlive: &reverseproxy.KeepAlive{
			MaxIdleConnsPerHost: 256,
			IdleConnTimeout:     caddy.Duration(20 * time.Second),
		},
	}
	return &reverseproxy.Handler{
		TransportRaw:        caddyconfig.JSONModuleObject(transport, "protocol", "http", nil),
		DynamicUpstreamsRaw: caddyconfig.JSONModuleObject(new(Upstreams), "source", "livy", nil),
	}
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*App)(nil)
	_ caddyfile.Unmarshaler = (*Gateway)(nil)
)
