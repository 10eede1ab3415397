package api

import (
	"net"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Site is an address at which clients reach gateways.
type Site struct {
	Scheme string
	// Host is empty for a site that answers to any host. It is shown with the host by which the
	// caller of the API reached this machine.
	Host string
	// Port is empty for the default port of the scheme.
	Port string
	// Prefix is the beginning of the path that is removed before the gateway is found, without a
	// slash at its end.
	Prefix string
	// Gateway is the name or id of the only gateway that the site serves, in Workspace. Empty for
	// a site that serves all gateways.
	Gateway, Workspace string
	// Public reports whether the site serves only gateways that are public.
	Public bool
}

// Endpoint is a whole address of a gateway.
type Endpoint struct {
	// URL is the address that clients are given; Livy's own paths follow it.
	URL string `json:"url"`
	// Public reports whether it belongs to a public site (`livy_gateway { public }`).
	Public bool `json:"public"`
}

// Endpoints returns the addresses of a gateway on the sites that serve it. Sites that answer to
// any host are given the host of reached, a Host header.
func Endpoints(sites []Site, g *gateway.Gateway, reached string) (found []Endpoint) {
	for _, s := range sites {
		if s.serves(g) {
			e := Endpoint{URL: s.address(reached), Public: s.Public}
			if s.Gateway == "" {
				e.URL += EndpointPath(g.Workspace, g.Spec.Name)
			}
			if !slices.Contains(found, e) {
				found = append(found, e)
			}
		}
	}
	return found
}

// serves reports whether a gateway can be reached at the site.
func (s *Site) serves(g *gateway.Gateway) bool {
	switch {
	case s.Public && !g.Spec.Public:
		return false
	case s.Gateway == "":
		return true
	}
	workspace := s.Workspace
	if workspace == "" {
		workspace = gateway.DefaultWorkspace
	}
	return workspace == g.Workspace && (s.Gateway == g.Spec.Name || s.Gateway == g.ID)
}

// address returns the site's address, without a slash at its end.
func (s *Site) address(reached string) string {
	host := s.Host
	if host == "" {
		host = hostOnly(reached)
	}
	if s.Port != "" {
		host = net.JoinHostPort(host, s.Port)
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return s.Scheme + "://" + host + s.Prefix
}

// hostOnly returns the host of a Host header, "localhost" if it has none. Requests on a Unix
// socket have none.
func hostOnly(header string) string {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = strings.Trim(header, "[]")
	}
	if host == "" {
		return "localhost"
	}
	return host
}
