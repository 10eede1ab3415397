package caddymodule

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// catalogOptions read the options of the global block that offer something to
// gateways. Each may be given several times:
//
//	cpu    <cores>...
//	memory <size>...
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
		if err := appendArgs(d, &texts); err != nil {
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
	"memory": func(a *App, d *caddyfile.Dispenser) error { return appendArgs(d, &a.Memories) },
	"cluster": func(a *App, d *caddyfile.Dispenser) error {
		c := new(Cluster)
		a.Clusters = append(a.Clusters, c)
		return readEntry(d, &c.Name, entry{texts: map[string]*string{
			"master": &c.Master, "deploy_mode": &c.DeployMode, "conf_dir": &c.ConfDir,
		}})
	},
	"environment": func(a *App, d *caddyfile.Dispenser) error {
		e := new(Environment)
		a.Environments = append(a.Environments, e)
		return readEntry(d, &e.Name, entry{
			texts: map[string]*string{"dir": &e.Dir},
			lists: map[string]*[]string{"py_files": &e.PyFiles, "jars": &e.Jars, "files": &e.Files, "archives": &e.Archives},
			maps:  map[string]*map[string]string{"conf": &e.Conf, "env": &e.Env},
		})
	},
	"network": func(a *App, d *caddyfile.Dispenser) error {
		n := new(Network)
		a.Networks = append(a.Networks, n)
		return readEntry(d, &n.Name, entry{texts: map[string]*string{"docker_network": &n.DockerNetwork, "vpc": &n.VPC}})
	},
	"directory": func(a *App, d *caddyfile.Dispenser) error {
		dir := new(Directory)
		a.Directories = append(a.Directories, dir)
		return readEntry(d, &dir.Name, entry{
			texts: map[string]*string{"type": &dir.Type, "source": &dir.Source, "path": &dir.Path, "vpc": &dir.VPC, "options": &dir.Options},
			flags: map[string]*bool{"read_only": &dir.ReadOnly},
		})
	},
	"ldap_login": (*App).unmarshalLDAPLogin,
	"fusion": func(a *App, d *caddyfile.Dispenser) error {
		f := new(Fusion)
		a.Fusion = append(a.Fusion, f)
		return readEntry(d, &f.Name, entry{
			lists: map[string]*[]string{"jars": &f.Jars, "cpu_flags": &f.CPUFlags, "spark": &f.Spark},
			maps:  map[string]*map[string]string{"conf": &f.Conf},
		})
	},
}

// entry says where the options of a catalog entry go.
type entry struct {
	texts map[string]*string
	lists map[string]*[]string
	maps  map[string]*map[string]string
	flags map[string]*bool
}

// readEntry reads an entry's name and block.
func readEntry(d *caddyfile.Dispenser, name *string, e entry) error {
	kind := d.Val()
	if err := textArg(d, name); err != nil {
		return err
	}
	for d.NextBlock(1) {
		option := d.Val()
		text, isText := e.texts[option]
		list, isList := e.lists[option]
		m, isMap := e.maps[option]
		flag, isFlag := e.flags[option]
		switch {
		case isText && *text != "":
			return d.Errf("option %q of %s is given twice", option, kind)
		case isText:
			if err := textArg(d, text); err != nil {
				return err
			}
		case isList:
			if err := appendArgs(d, list); err != nil {
				return err
			}
		case isMap:
			args := d.RemainingArgs()
			if len(args) == 1 {
				// conf key=value, as Spark's users write it.
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
		case isFlag:
			if err := flagArg(d, flag); err != nil {
				return err
			}
		default:
			return d.Errf("unknown option %q of %s", option, kind)
		}
	}
	return nil
}
