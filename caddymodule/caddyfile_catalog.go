package caddymodule

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/gateway"
)

// catalogOptions parse the options of the global block that define what gateways can choose from.
// Each may be given several times:
//
//	cpu    <cores>...
//	memory <size>...
//	engine <name> { ... }
//	cluster <name> {
//	    master      <master>
//	    deploy_mode client|cluster
//	    conf_dir    <dir>
//	}
//	environment <name> {
//	    dir      <dir>
//	    py_files <uri>...
//	    jars     <uri>...
//	    files    <uri>...
//	    archives <uri>...
//	    conf     <key> <value>
//	    env      <name> <value>
//	}
//	network <name> {
//	    docker_network <network>
//	    vpc            <vpc>
//	}
//	directory <name> {
//	    type    local|oss|nas|cpfs
//	    source  <dir>|<host>:/<export>
//	    path    <dir>
//	    vpc     <vpc>
//	    options <options>
//	    read_only
//	    warehouse
//	}
//	ldap_login <name> { ... }
//	fusion <name> {
//	    jars      <uri>...
//	    conf      <key> <value>
//	    cpu_flags <flag>...
//	    spark     <series>...
//	}
var catalogOptions = map[string]func(*App, *caddyfile.Dispenser) error{
	"cpu": func(a *App, d *caddyfile.Dispenser) error {
		var texts []string
		if err := directive.Append(d, &texts); err != nil {
			return err
		}
		for _, text := range texts {
			n, err := strconv.Atoi(text)
			if err != nil {
				return d.Errf("cpu: %q is not a number of cores", text)
			}
			a.CPUs = append(a.CPUs, n)
		}
		return nil
	},
	"memory":      func(a *App, d *caddyfile.Dispenser) error { return directive.Append(d, &a.Memories) },
	"engine":      (*App).unmarshalEngine,
	"cluster":     func(a *App, d *caddyfile.Dispenser) error { return appendEntry(d, &a.Clusters) },
	"environment": func(a *App, d *caddyfile.Dispenser) error { return appendEntry(d, &a.Environments) },
	"network":     func(a *App, d *caddyfile.Dispenser) error { return appendEntry(d, &a.Networks) },
	"directory":   func(a *App, d *caddyfile.Dispenser) error { return appendEntry(d, &a.Directories) },
	"fusion":      func(a *App, d *caddyfile.Dispenser) error { return appendEntry(d, &a.Fusion) },
	"ldap_login":  (*App).unmarshalLDAPLogin,
}

// appendEntry parses an entry of the catalog and appends it to list.
func appendEntry[T any](d *caddyfile.Dispenser, list *[]T) error {
	var entry T
	if err := readEntry(d, &entry); err != nil {
		return err
	}
	*list = append(*list, entry)
	return nil
}

// readEntry parses the name and the block of an entry into a struct. The first field is the
// argument of the directive. The others are options, spelled as in the Caddyfile. More structs
// have more options of the block, apart from their first fields.
func readEntry(d *caddyfile.Dispenser, entry any, more ...any) error {
	kind, v := d.Val(), reflect.ValueOf(entry).Elem()
	if err := directive.Text(d, v.Field(0).Addr().Interface().(*string)); err != nil {
		return err
	}
	options := make(map[string]any)
	for _, part := range append([]any{entry}, more...) {
		v := reflect.ValueOf(part).Elem()
		for i := 1; i < v.NumField(); i++ {
			if field := v.Type().Field(i); field.IsExported() {
				name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				options[gateway.OptionName(name)] = v.Field(i).Addr().Interface()
			}
		}
	}
	for d.NextBlock(1) {
		option := d.Val()
		switch target := options[option].(type) {
		case *string:
			if more, ok := options[option+"s"].(*[]string); ok && *target != "" { // url
				if err := directive.Append(d, more); err != nil {
					return err
				}
				continue
			}
			if *target != "" {
				return d.Errf("option %q of %s is given twice", option, kind)
			}
			if err := directive.Text(d, target); err != nil {
				return err
			}
		case *bool:
			if err := directive.Flag(d, target); err != nil {
				return err
			}
		case *[]string:
			if err := directive.Append(d, target); err != nil {
				return err
			}
		case *map[string]string:
			if err := mapArgs(d, target, kind); err != nil {
				return err
			}
		default:
			return d.Errf("unknown option %q of %s", option, kind)
		}
	}
	return nil
}

// mapArgs parses "conf key value", or "conf key=value" as Spark users write it.
func mapArgs(d *caddyfile.Dispenser, m *map[string]string, kind string) error {
	option, args := d.Val(), d.RemainingArgs()
	if len(args) == 1 {
		key, value, ok := strings.Cut(args[0], "=")
		if !ok {
			return d.ArgErr()
		}
		args = []string{key, value}
	}
	if len(args) != 2 {
		return d.ArgErr()
	}
	if *m == nil {
		*m = make(map[string]string)
	}
	if _, ok := (*m)[args[0]]; ok {
		return d.Errf("%s %q of %s is given twice", option, args[0], kind)
	}
	(*m)[args[0]] = args[1]
	return nil
}
