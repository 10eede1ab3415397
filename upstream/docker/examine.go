package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// Examine checks the Docker engine, its machine, the engines' images and the networks.
func (r *Runtime) Examine(ctx context.Context, c *gateway.Catalog) []doctor.Result {
	const check = "docker"
	where := r.api.DaemonHost()
	if _, err := r.api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return []doctor.Result{unreachable(where, err)}
	}
	version, err := r.api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return []doctor.Result{unreachable(where, err)}
	}
	results := []doctor.Result{doctor.Good(check, "%s answers, version %s, API %s", where, version.Version,
		r.api.ClientVersion())}
	if machine, err := r.api.Info(ctx, client.InfoOptions{}); err == nil {
		results = append(results, doctor.Sizes(c, machine.Info.NCPU, machine.Info.MemTotal)...)
	}
	for _, e := range c.Engines {
		results = append(results, r.examineEngine(ctx, e))
	}
	names := make(map[string]string) // Docker networks, by what refers to them
	if r.opts.Network != "" {
		names[r.opts.Network] = "the runtime"
	}
	for _, n := range c.Networks {
		if n.DockerNetwork != "" {
			names[n.DockerNetwork] = "network " + n.Name
		}
	}
	for name, user := range names {
		results = append(results, r.examineNetwork(ctx, name, user))
	}
	return results
}

// unreachable returns the result for an engine that does not answer or refuses access.
func unreachable(where string, err error) doctor.Result {
	const check = "docker"
	if errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "permission denied") {
		return doctor.Failure(check, where+" refuses access to this user",
			"add the user that runs Caddy to the group docker (usermod -aG docker USER) and restart Caddy; "+
				"members of that group are effectively root")
	}
	return doctor.Failure(check, fmt.Sprintf("%s does not answer: %s", where, err),
		"start Docker (systemctl start docker), or fix the host of runtime docker, or DOCKER_HOST")
}

func (r *Runtime) examineEngine(ctx context.Context, e gateway.Engine) doctor.Result {
	check := "engine " + e.Name
	image, err := r.api.ImageInspect(ctx, e.Image)
	switch {
	case cerrdefs.IsNotFound(err):
		return doctor.Failure(check, "image "+e.Image+" does not exist", pull(e))
	case err != nil:
		return doctor.Warning(check, fmt.Sprintf("cannot inspect image %s: %s", e.Image, err),
			"try docker image inspect "+e.Image)
	}
	return doctor.Good(check, "image %s, %d MiB", e.Image, image.Size>>20)
}

// pull returns how to get an image: the project's own are built, others pulled.
func pull(e gateway.Engine) string {
	if !strings.HasPrefix(e.Image, "livygateway/") {
		return "docker pull " + e.Image
	}
	how := "build it: make image"
	if e.Spark != "" {
		how = fmt.Sprintf("build it: scripts/build-engine-image --livy %s --spark %s", e.LivyVersion(), e.Spark)
	}
	return how + "; or fix the engine's image"
}

func (r *Runtime) examineNetwork(ctx context.Context, name, user string) doctor.Result {
	check := "docker network " + name
	_, err := r.api.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
	switch {
	case cerrdefs.IsNotFound(err):
		return doctor.Failure(check, "does not exist, but "+user+" uses it", "docker network create "+name)
	case err != nil:
		return doctor.Warning(check, fmt.Sprintf("cannot be inspected: %s", err),
			"try docker network inspect "+name)
	}
	return doctor.Good(check, "exists; used by %s", user)
}

// Interface guard
var _ upstream.Examiner = (*Runtime)(nil)
