package core

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"

	"github.com/livygateway/livygateway/internal/api"
)

// Serving is a handler that serves gateways.
type Serving interface {
	// Serves returns the gateways that it serves, and the address at which clients reach it if
	// that is set.
	Serves() (e *Endpoint, address string)
}

// sitesOf has the sites of the http app that they were read from last.
var sitesOf atomic.Pointer[struct {
	app   *caddyhttp.App
	sites []api.Site
}]

// Sites returns the sites of the configuration that runs which serve gateways.
func Sites() []api.Site {
	found, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil {
		return nil // it has no sites
	}
	app, ok := found.(*caddyhttp.App)
	if !ok {
		return nil
	}
	if last := sitesOf.Load(); last != nil && last.app == app {
		return last.sites
	}
	read := &struct {
		app   *caddyhttp.App
		sites []api.Site
	}{app, SitesOf(app)}
	sitesOf.Store(read)
	return read.sites
}

// SitesOf returns the sites of an app, which must have been provisioned, that serve gateways. They
// are read from its listeners, the host matchers, and the prefixes that are stripped from paths
// (handle_path and "uri strip_prefix").
func SitesOf(app *caddyhttp.App) (sites []api.Site) {
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		w := siteWalk{server: app.Servers[name], app: app, replacer: caddy.NewReplacer()}
		w.routes(w.server.Routes, place{}, 0)
		sites = append(sites, w.sites...)
	}
	return sites
}

// siteWalk looks for handlers of gateways in the routes of one server.
type siteWalk struct {
	app      *caddyhttp.App
	server   *caddyhttp.Server
	replacer *caddy.Replacer
	sites    []api.Site
}

// place is where in the routes a handler is.
type place struct {
	hosts  []string // that it is reached by; none for any
	prefix string   // that was stripped before
}

// maxDepth bounds the nesting of routes that is followed: named routes can invoke themselves.
const maxDepth = 32

func (w *siteWalk) routes(list caddyhttp.RouteList, at place, depth int) {
	if depth > maxDepth {
		return
	}
	for _, route := range list {
		inside := place{hosts: w.hosts(route.MatcherSets, at.hosts), prefix: at.prefix}
		for _, handler := range route.Handlers {
			switch h := handler.(type) {
			case *rewrite.Rewrite:
				inside.prefix += w.strippedBy(h)
			case *caddyhttp.Subroute:
				w.routes(h.Routes, inside, depth+1)
			case *caddyhttp.Invoke:
				if named := w.server.NamedRoutes[h.Name]; named != nil {
					w.routes(caddyhttp.RouteList{*named}, inside, depth+1)
				}
			case Serving:
				w.add(h, inside)
			}
		}
		at.prefix = inside.prefix // requests keep it on their way through the list
	}
}

// hosts returns the hosts that a route is reached by: those of its matchers, or else those of the
// routes around it.
func (w *siteWalk) hosts(sets caddyhttp.MatcherSets, around []string) (hosts []string) {
	for _, set := range sets {
		of := make([]string, 0, 1)
		for _, matcher := range set {
			switch m := matcher.(type) {
			case *caddyhttp.MatchHost:
				of = append(of, *m...)
			case caddyhttp.MatchHost:
				of = append(of, m...)
			}
		}
		if len(of) == 0 {
			return around
		}
		for _, host := range of {
			hosts = append(hosts, w.replacer.ReplaceAll(host, ""))
		}
	}
	if len(hosts) == 0 {
		return around
	}
	return hosts
}

// strippedBy returns the prefix of paths that a handler removes.
func (w *siteWalk) strippedBy(h *rewrite.Rewrite) string {
	prefix := strings.Trim(w.replacer.ReplaceAll(h.StripPathPrefix, ""), "/")
	if prefix == "" {
		return ""
	}
	return "/" + prefix
}

// add adds the sites of a handler: one for each of its hosts at each listener.
func (w *siteWalk) add(h Serving, at place) {
	e, address := h.Serves()
	site := api.Site{Prefix: at.prefix, Gateway: e.Gateway, Workspace: e.Workspace, Public: e.Public}
	if address != "" {
		if u, err := url.Parse(address); err == nil {
			site.Scheme, site.Host, site.Port = u.Scheme, u.Hostname(), u.Port()
			site.Prefix = strings.TrimRight(u.EscapedPath(), "/")
			w.sites = append(w.sites, site)
		}
		return
	}
	site.Scheme = "http"
	if len(w.server.TLSConnPolicies) > 0 {
		site.Scheme = "https"
	}
	for _, text := range w.server.Listen {
		l, err := caddy.ParseNetworkAddress(w.replacer.ReplaceAll(text, ""))
		if err != nil || l.IsUnixNetwork() || l.IsFdNetwork() {
			continue // another server is in front, whose address is not known
		}
		site.Port = w.port(site.Scheme, l.StartPort)
		if len(at.hosts) == 0 {
			site.Host = l.Host
			if l.Host == "0.0.0.0" || l.Host == "::" {
				site.Host = ""
			}
			w.sites = append(w.sites, site)
		}
		for _, site.Host = range at.hosts {
			w.sites = append(w.sites, site)
		}
	}
}

// port returns the port of an address as it is written in a URL.
func (w *siteWalk) port(scheme string, port uint) string {
	if scheme == "http" && port == 80 || scheme == "https" && port == 443 {
		return ""
	}
	return strconv.FormatUint(uint64(port), 10)
}
