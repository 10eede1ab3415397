package core

import (
	"net/http"
	"strings"

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
)

// Endpoint is the set of gateways that a site serves: one, or all of them by the path.
type Endpoint struct {
	Gateway, Workspace string
	// Public serves only gateways that are public.
	Public bool
}

var errNoEndpoint = gateway.Errorf(gateway.KindNotFound,
	"no gateway at this path: it must be "+gateway.EndpointPrefix+"{workspace}/"+gateway.EndpointMiddle+"/{gateway}/...")

// Find returns the gateway of a request, the public path before Livy's own, and Livy's own path.
// The public path includes a prefix that was stripped before.
func (e *Endpoint) Find(m *control.Manager, r *http.Request) (found *control.Entry, prefix, path string, err error) {
	path = r.URL.EscapedPath()
	workspace, name := e.Workspace, e.Gateway
	if name == "" {
		rest, ok := strings.CutPrefix(path, gateway.EndpointPrefix)
		if !ok {
			return nil, "", "", errNoEndpoint
		}
		var middle string
		workspace, rest, _ = strings.Cut(rest, "/")
		middle, rest, _ = strings.Cut(rest, "/")
		name, _, _ = strings.Cut(rest, "/")
		if middle != gateway.EndpointMiddle || name == "" {
			return nil, "", "", errNoEndpoint
		}
		prefix = path[:len(gateway.EndpointPrefix)+len(workspace)+1+len(middle)+1+len(name)]
		path = path[len(prefix):]
	}
	if workspace == "" {
		workspace = gateway.DefaultWorkspace
	}
	if found, err = m.Lookup(workspace, name); err != nil {
		return nil, "", "", err
	}
	if e.Public && !found.Gateway.Spec.Public {
		return nil, "", "", gateway.Errorf(gateway.KindNotFound, "no gateway %q in workspace %q", name, workspace)
	}
	if path == "" {
		path = "/"
	}
	return found, outerPrefix(r) + prefix, path, nil
}
