package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/process"
)

func init() { caddy.RegisterModule(new(ProcessRuntime)) }

// ProcessRuntime runs the Livy server of each gateway as a process on this machine. The processes
// keep running when Caddy exits, and the next Caddy process takes them over.
//
// This is not a sandbox: jobs are processes of the machine. Jobs can only connect to the Livy
// server of their own gateway if `users` is set, the admin endpoint is on a Unix socket, and
// Redis requires a password or is on a Unix socket too.
type ProcessRuntime struct {
	// The directory for the configuration, logs and working directories of Livy servers. Default:
	// `livy` in Caddy's data directory.
	StateDir string `json:"state_dir,omitempty"`
	// The name of the user that all servers run as. Requires root. Default: the user that Caddy
	// runs as.
	User string `json:"user,omitempty"`
	// Users, each of whom is used by one running server at a time. Names or ranges:
	// `livygw[1-20]` stands for `livygw1` to `livygw20`. The users must exist, must not be used
	// for anything else, and there must be as many as gateways run at a time. All processes of a
	// user are ended when its server is stopped. Each server listens on a loopback address of its
	// own, and an nftables table lets only its user and root connect. Requires root. Cannot be
	// combined with `user`.
	Users []string `json:"users,omitempty"`
	// The parent cgroup, as in /proc/PID/cgroup. Each server with its drivers gets a cgroup below
	// it, which limits their memory and CPU to those of the gateway. Default: `/livygateway` for
	// root, otherwise `livygateway` next to Caddy's own cgroup; servers run without limits if it
	// cannot be used. If this option is set, the cgroup must be usable. `off`: no limits.
	Cgroup string `json:"cgroup,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*ProcessRuntime) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "livy.runtimes.process", New: func() caddy.Module { return new(ProcessRuntime) }}
}

// Provision fills in the default directory.
func (p *ProcessRuntime) Provision(caddy.Context) error {
	if p.StateDir == "" {
		p.StateDir = filepath.Join(caddy.AppDataDir(), "livy")
	}
	var err error
	p.StateDir, err = filepath.Abs(p.StateDir)
	return err
}

// Open returns the runtime. It does not access the directory yet.
func (p *ProcessRuntime) Open(log *zap.Logger) (upstream.Runtime, error) {
	options := process.Options{StateDir: p.StateDir, User: p.User, Users: p.Users, Cgroup: p.Cgroup}
	return process.New(options, log.Named("process"))
}

// CheckEngine checks that an engine has both distributions.
func (p *ProcessRuntime) CheckEngine(e gateway.Engine) error {
	if e.LivyHome == "" || e.SparkHome == "" {
		return fmt.Errorf("runtime process requires livy_home and spark_home")
	}
	return nil
}

// UnmarshalCaddyfile parses
//
//	runtime process {
//	    state_dir DIR
//	    user      NAME
//	    users     NAME|PREFIX[FIRST-LAST]...
//	    cgroup    PATH|off
//	}
func (p *ProcessRuntime) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	options := map[string]*string{"state_dir": &p.StateDir, "user": &p.User, "cgroup": &p.Cgroup}
	return directive.OptionLists(d, options, map[string]*[]string{"users": &p.Users})
}

// ourUser reports whether servers run as the user that Caddy runs as, or as root, so that file
// modes do not protect Caddy's files from jobs.
func (p *ProcessRuntime) ourUser() bool {
	if len(p.Users) > 0 {
		return false
	}
	return p.User == "" || slices.Contains([]int{0, os.Geteuid()}, process.UserID(p.User))
}

// Interface guards
var (
	_ Runtime               = (*ProcessRuntime)(nil)
	_ caddyfile.Unmarshaler = (*ProcessRuntime)(nil)
	_ caddy.Provisioner     = (*ProcessRuntime)(nil)
)
