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

// Runtime is what a module in the namespace livy.runtimes provides.
type Runtime interface {
	// Open returns the runtime; it must not use the network.
	Open(log *zap.Logger) (upstream.Runtime, error)
	// CheckEngine checks that an engine of the catalog can run here.
	CheckEngine(e gateway.Engine) error
}

// DockerRuntime runs each gateway's Livy server in a container of its own, with
// the gateway's CPU and memory limits, reachable from this machine only.
//
// Access to a Docker engine is equal to being root on its machine: give it to
// Caddy only where that is meant.
type DockerRuntime struct {
	// The Docker engine, e.g. `unix:///var/run/docker.sock`. Default: what
	// DOCKER_HOST says, else the local engine.
	Host string `json:"host,omitempty"`
	// Sets the containers of this installation apart from those of others on the
	// same engine. Default: `default`.
	Namespace string `json:"namespace,omitempty"`
	// The Docker network that the containers join. Default: the engine's own.
	Network string `json:"network,omitempty"`
	// The address of this machine on which the Livy servers' ports are published.
	// Where Caddy instances on several machines use one Docker engine it is one
	// that all of them reach, and that nobody else does: Livy itself asks nobody
	// who they are. Default: `127.0.0.1`.
	Publish string `json:"publish,omitempty"`
	// How Caddy reaches the Livy servers: `published` (the default), or `network`
	// where Caddy itself runs in the containers' network: then no port is
	// published at all.
	Reach string `json:"reach,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*DockerRuntime) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "livy.runtimes.docker", New: func() caddy.Module { return new(DockerRuntime) }}
}

// Open connects to nothing yet.
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

// CheckEngine wants an image.
func (d *DockerRuntime) CheckEngine(e gateway.Engine) error {
	if e.Image == "" {
		return fmt.Errorf("runtime docker needs an image")
	}
	return nil
}

// UnmarshalCaddyfile reads
//
//	runtime docker {
//	    host      unix:///var/run/docker.sock
//	    namespace NAME
//	    network   NAME
//	    publish   10.0.0.5
//	    reach     published|network
//	}
func (d *DockerRuntime) UnmarshalCaddyfile(disp *caddyfile.Dispenser) error {
	return directive.Options(disp, map[string]*string{"host": &d.Host, "namespace": &d.Namespace, "network": &d.Network, "publish": &d.Publish, "reach": &d.Reach})
}

// StaticRuntime puts gateways in front of Livy servers that somebody else runs.
// Starting and stopping such a gateway opens and closes the way to it.
type StaticRuntime struct{}

// CaddyModule returns the Caddy module information.
func (*StaticRuntime) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "livy.runtimes.static", New: func() caddy.Module { return new(StaticRuntime) }}
}

// Open touches nothing yet.
func (*StaticRuntime) Open(log *zap.Logger) (upstream.Runtime, error) {
	return static.New(log.Named("static"))
}

// CheckEngine wants a URL.
func (*StaticRuntime) CheckEngine(e gateway.Engine) error {
	if e.URL == "" {
		return fmt.Errorf("runtime static needs the url of a Livy server")
	}
	return nil
}

// UnmarshalCaddyfile reads
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
