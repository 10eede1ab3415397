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

// ProcessRuntime runs each gateway's Livy server as a process on this machine.
// Processes go on when Caddy ends and are found again.
//
// It is no sandbox: a job is a process of the machine. With `users`, an admin
// endpoint on a Unix socket and a Redis that asks for a password, or that is on a
// Unix socket too, a job reaches nothing but its own gateway's server.
type ProcessRuntime struct {
	// Where configuration, logs and working directories of the Livy servers are
	// kept. Default: `livy` in Caddy's data directory.
	StateDir string `json:"state_dir,omitempty"`
	// The user to run all servers as, by name. Only root can choose one. Default:
	// the user that runs Caddy.
	User string `json:"user,omitempty"`
	// Users of whom each server has one to itself while it runs, by name or as a
	// range: `livygw[1-20]` stands for `livygw1` to `livygw20`. They must be there,
	// be used for nothing else, and number as many as gateways run at a time: what
	// runs as one of them is ended with its server. A server then listens on a
	// loopback address of its own, which a table of nftables keeps for its user and
	// root. Only root can choose them. Not together with `user`.
	Users []string `json:"users,omitempty"`
	// The cgroup, as /proc/PID/cgroup writes it, below which each server with its
	// drivers gets one that bounds their memory (and CPU) by the gateway's. Default:
	// `/livygateway` for root, else `livygateway` beside Caddy's own, if it can be
	// had; one that is named here must. `off`: no bounds.
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

// Open touches nothing yet.
func (p *ProcessRuntime) Open(log *zap.Logger) (upstream.Runtime, error) {
	return process.New(process.Options{StateDir: p.StateDir, User: p.User, Users: p.Users, Cgroup: p.Cgroup}, log.Named("process"))
}

// CheckEngine wants the two distributions.
func (p *ProcessRuntime) CheckEngine(e gateway.Engine) error {
	if e.LivyHome == "" || e.SparkHome == "" {
		return fmt.Errorf("runtime process needs livy_home and spark_home")
	}
	return nil
}

// UnmarshalCaddyfile reads
//
//	runtime process {
//	    state_dir DIR
//	    user      NAME
//	    users     NAME|PREFIX[FIRST-LAST]...
//	    cgroup    PATH|off
//	}
func (p *ProcessRuntime) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return directive.OptionLists(d, map[string]*string{"state_dir": &p.StateDir, "user": &p.User, "cgroup": &p.Cgroup}, map[string]*[]string{"users": &p.Users})
}

// ourUser reports whether servers run as the user that runs Caddy, or as root, so
// that no file's mode keeps jobs from what is Caddy's.
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
