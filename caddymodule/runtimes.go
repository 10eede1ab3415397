package caddymodule

import (
	"fmt"
	"net/netip"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/docker"
	"github.com/livygateway/livygateway/upstream/static"
)

func init() {
	caddy.RegisterModule(new(DockerRuntime))
	caddy.RegisterModule(new(StaticRuntime))
}

// Runtime is implemented by the modules in the namespace livy.runtimes.
type Runtime interface {
	// Open returns the runtime. It must not use the network.
	Open(log *zap.Logger) (upstream.Runtime, error)
	// CheckEngine checks that an engine of the catalog can be run.
	CheckEngine(e gateway.Engine) error
}

// DockerRuntime runs the Livy server of each gateway in a container of its own, with the CPU and
// memory limits of the gateway, and reachable only from this machine.
//
// Access to a Docker engine is equivalent to root on its machine. Give it to Caddy only if that
// is acceptable.
type DockerRuntime struct {
	// The address of the Docker engine, e.g. `unix:///var/run/docker.sock` or
	// `tcp://10.0.0.5:2376`, but not `ssh://`. Default: the value of the environment variable
	// DOCKER_HOST, or else the local engine.
	Host string `json:"host,omitempty"`
	// Distinguishes the containers of this installation from those of others on the same engine.
	// Default: `default`.
	Namespace string `json:"namespace,omitempty"`
	// The Docker network that containers join. Default: the engine's default network.
	Network string `json:"network,omitempty"`
	// The address of the Docker engine's machine on which the ports of Livy servers are
	// published. If Caddy instances on several machines use one Docker engine, all of them must
	// be able to reach this address, and nobody else should: Livy itself requires no
	// authentication. Default: `127.0.0.1`.
	Publish string `json:"publish,omitempty"`
	// How Caddy connects to Livy servers: `published` (the default), or `network` if Caddy itself
	// runs in the network of the containers. No ports are published then.
	Reach string `json:"reach,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*DockerRuntime) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "livy.runtimes.docker", New: func() caddy.Module { return new(DockerRuntime) }}
}

// Open returns the runtime. It does not connect to the engine yet.
func (d *DockerRuntime) Open(log *zap.Logger) (upstream.Runtime, error) {
	o := docker.Options{Host: d.Host, Namespace: d.Namespace, Network: d.Network, Direct: d.Reach == "network"}
	if d.Publish != "" {
		var err error
		if o.Publish, err = netip.ParseAddr(d.Publish); err != nil || o.Publish.IsUnspecified() {
			return nil, fmt.Errorf("publish must be one address of this machine, not %q", d.Publish)
		}
		if o.Direct {
			return nil, fmt.Errorf("publish has no effect with reach network")
		}
	}
	if d.Reach != "" && d.Reach != "network" && d.Reach != "published" {
		return nil, fmt.Errorf("reach must be published or network, not %q", d.Reach)
	}
	return docker.New(o, log.Named("docker"))
}

// CheckEngine checks that an engine has an image, and the form of its name.
func (d *DockerRuntime) CheckEngine(e gateway.Engine) error {
	if e.Image == "" {
		return fmt.Errorf("runtime docker requires an image")
	}
	return docker.CheckImage(e.Image)
}

// UnmarshalCaddyfile parses
//
//	runtime docker {
//	    host      unix:///var/run/docker.sock
//	    namespace NAME
//	    network   NAME
//	    publish   10.0.0.5
//	    reach     published|network
//	}
func (d *DockerRuntime) UnmarshalCaddyfile(disp *caddyfile.Dispenser) error {
	return directive.Options(disp, map[string]*string{
		"host": &d.Host, "namespace": &d.Namespace, "network": &d.Network, "publish": &d.Publish, "reach": &d.Reach,
	})
}

// StaticRuntime puts gateways in front of Livy servers that are started by other means. Starting
// and stopping such a gateway only enables and disables access to its server.
type StaticRuntime struct{}

// CaddyModule returns the Caddy module information.
func (*StaticRuntime) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "livy.runtimes.static", New: func() caddy.Module { return new(StaticRuntime) }}
}

// Open returns the runtime.
func (*StaticRuntime) Open(log *zap.Logger) (upstream.Runtime, error) {
	return static.New(log.Named("static"))
}

// CheckEngine checks that an engine has a URL.
func (*StaticRuntime) CheckEngine(e gateway.Engine) error {
	if e.URL == "" {
		return fmt.Errorf("runtime static requires the url of a Livy server")
	}
	return nil
}

// UnmarshalCaddyfile parses
//
//	runtime static
func (*StaticRuntime) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return directive.Options(d, nil)
}

// Interface guards
var (
	_ Runtime               = (*DockerRuntime)(nil)
	_ Runtime               = (*StaticRuntime)(nil)
	_ caddyfile.Unmarshaler = (*DockerRuntime)(nil)
	_ caddyfile.Unmarshaler = (*StaticRuntime)(nil)
)
