package caddymodule

import (
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/store"
)

// A job of runtime process is a process on the same machine as Caddy, and often as Redis. The
// doctor checks what such jobs can connect to, and so does the start of a configuration.

const mendAdmin = "global option: admin unix//run/livygateway/admin.sock|0600 " +
	"(commands then need --address unix//run/livygateway/admin.sock)"

const mendUser = "set user or users in runtime process, which require root; or use runtime docker"

// examineReach checks what jobs of runtime process can connect to.
func (p *patient) examineReach() []doctor.Result {
	runtime, ok := p.app.runtime.(*ProcessRuntime)
	if !ok {
		return nil
	}
	listen := ""
	disabled := false
	if p.config.Admin != nil {
		listen, disabled = p.config.Admin.Listen, p.config.Admin.Disabled
	}
	root := os.Geteuid() == 0
	return []doctor.Result{
		examineAdminReach(adminListener(listen, disabled), runtime, root),
		examineRedisReach(p.app.Redis, runtime),
	}
}

// adminReach is who can connect to the admin endpoint from this machine.
type adminReach int

const (
	nobodyReaches  adminReach = iota // it is disabled
	ourUserReaches                   // a Unix socket with the right mode
	everybodyReaches
)

// adminListener returns who can connect to an admin endpoint at an address, which is empty for
// the default one.
func adminListener(listen string, disabled bool) adminReach {
	if disabled {
		return nobodyReaches
	}
	if listen == "" {
		listen = caddy.DefaultAdminListen
	}
	address, err := caddy.ParseNetworkAddress(caddy.NewReplacer().ReplaceAll(listen, ""))
	if err != nil || !address.IsUnixNetwork() {
		return everybodyReaches
	}
	_, bits, ok := strings.Cut(address.Host, "|")
	if !ok {
		return ourUserReaches // Caddy's own default is 0200
	}
	mode, err := strconv.ParseUint(bits, 8, 32)
	if err != nil || mode&0o022 != 0 {
		return everybodyReaches
	}
	return ourUserReaches
}

func examineAdminReach(reach adminReach, runtime *ProcessRuntime, root bool) doctor.Result {
	const check = "jobs and the admin endpoint"
	const power = "it can create tokens for every gateway and load another configuration"
	switch {
	case reach == nobodyReaches:
		return doctor.Good(check, "the admin endpoint is disabled")
	case reach == everybodyReaches && root:
		return doctor.Failure(check,
			"Caddy is root, and every job of runtime process can connect to the admin endpoint: "+power+", as root", mendAdmin)
	case reach == everybodyReaches:
		return doctor.Warning(check, "every job of runtime process can connect to the admin endpoint: "+power,
			mendAdmin+"; and run jobs as another user")
	case runtime.ourUser():
		return doctor.Warning(check, "it is on a Unix socket, but jobs run as a user that can open it: "+power, mendUser)
	}
	return doctor.Good(check, "a Unix socket that jobs' users cannot open")
}

func examineRedisReach(r *Redis, runtime *ProcessRuntime) doctor.Result {
	const check = "jobs and redis"
	const mend = "let Redis require a password (requirepass, or users), or listen only on a Unix socket of mode 0600: " +
		"redis unix:///run/redis/redis.sock"
	switch guard, err := (store.Options{URL: r.URL}).Guard(); {
	case r.Embedded:
		return doctor.Warning(check, "jobs can connect to the embedded Redis and change its data",
			"use a redis-server: "+mend)
	case err != nil:
		return doctor.Failure(check, err.Error(), "correct the option redis")
	case guard == "":
		return doctor.Warning(check,
			"Redis requires no password: jobs that can connect to it can read and change everything in it", mend)
	case runtime.ourUser():
		return doctor.Warning(check, "Redis is protected by "+guard+", which jobs' user can read or open", mendUser)
	default:
		return doctor.Good(check, "protected by %s", guard)
	}
}

// warnOfReach logs a warning for what the doctor would report as an error.
func (a *App) warnOfReach() {
	runtime, ok := a.runtime.(*ProcessRuntime)
	if !ok || os.Geteuid() != 0 || a.admin != everybodyReaches {
		return
	}
	if runtime.ourUser() {
		a.core.Log.Warn("jobs of runtime process run as root and can connect to the admin endpoint: " +
			"whoever may run a job has full control of this machine; " +
			"set user or users, and put the admin endpoint on a Unix socket; caddy livy doctor says how")
		return
	}
	a.core.Log.Warn("jobs of runtime process can connect to the admin endpoint: " +
		"whoever may run a job can do everything that Caddy can, which runs as root; " +
		"put the admin endpoint on a Unix socket; caddy livy doctor says how")
}

// adminOf returns who can connect to the admin endpoint of the configuration that a context
// belongs to. Caddy does not export that configuration, so it is read by reflection. If that
// fails, which a test would notice, nothing is reported.
func adminOf(ctx caddy.Context) adminReach {
	config := reflect.ValueOf(ctx).FieldByName("cfg")
	if config.Kind() != reflect.Pointer || config.IsNil() {
		return nobodyReaches
	}
	admin := config.Elem().FieldByName("Admin")
	if admin.Kind() != reflect.Pointer {
		return nobodyReaches
	}
	if admin.IsNil() {
		return adminListener("", false)
	}
	listen, disabled := admin.Elem().FieldByName("Listen"), admin.Elem().FieldByName("Disabled")
	if listen.Kind() != reflect.String || disabled.Kind() != reflect.Bool {
		return nobodyReaches
	}
	return adminListener(listen.String(), disabled.Bool())
}
