package docker

import (
	"net/url"
	"strings"

	"github.com/distribution/reference"

	"github.com/livygateway/livygateway/internal/gateway"
)

// checkHost checks the address of a Docker engine. The client library accepts any scheme, and
// fails only when it connects.
func checkHost(option, host string) error {
	scheme, rest, _ := strings.Cut(host, "://")
	shown := host
	if u, err := url.Parse(host); err == nil {
		shown = u.Redacted()
	}
	switch scheme {
	case "unix":
		if !strings.HasPrefix(rest, "/") {
			return gateway.Invalid(option, shown, "must be an absolute path after unix://")
		}
		return nil
	case "tcp", "http", "https":
		u, err := url.Parse(host)
		if err != nil || u.Hostname() == "" {
			return gateway.Invalid(option, shown, "must be "+scheme+"://HOST:PORT")
		}
		return nil
	case "ssh":
		return gateway.Invalid(option, shown, "cannot be an ssh address: forward the engine's socket with "+
			"ssh -N -L /run/docker-far.sock:/var/run/docker.sock USER@HOST and set unix:///run/docker-far.sock, "+
			"or let the engine listen on tcp with certificates (DOCKER_TLS_VERIFY and DOCKER_CERT_PATH)")
	}
	return gateway.Invalid(option, shown, "must begin with unix:///, tcp://, http:// or https://")
}

// checkNetwork checks the name of the network that containers join.
func checkNetwork(name string) error {
	if name == "host" || name == "none" || strings.HasPrefix(name, "container:") {
		return gateway.Invalid("network", name, "must be a network of the Docker engine of which containers have "+
			"an address of their own, e.g. bridge or one made with docker network create")
	}
	return nil
}

// CheckImage checks the form of an image's name.
func CheckImage(image string) error {
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		return gateway.Invalid("image", image, "must be the name of an image, e.g. livygateway/livy:0.8.0-spark3.5.8: "+err.Error())
	}
	return nil
}
