package caddymodule

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/sparkui"
	"github.com/livygateway/livygateway/upstream"
)

// placed is one of our handlers in a server's routes.
type placed struct {
	name string
	// hosts are the hosts whose requests it gets; none means all.
	hosts  []string
	public bool
	// besideGateway is set for the Spark UI handler of a livy_gateway directive.
	besideGateway bool
	// some is set if it gets only some of the requests to its hosts.
	some bool
	// loggedIn is set if something before it, or its option user, tells who the user is.
	loggedIn bool
}

// managing are the handlers with which logged-in users manage gateways.
var managing = []string{"livy_api", "livy_console"}

// handlers returns our handlers in a server's routes.
func (s *server) handlers() (all []placed) {
	logins := []placed{} // what logs users in, in the order of the routes
	var walk func(v any, at placed)
	walk = func(v any, at placed) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e, at)
			}
		case map[string]any:
			if logsIn(v) {
				logins = append(logins, at)
				return
			}
			if name, _ := v["handler"].(string); strings.HasPrefix(name, "livy_") {
				at.name = name
				user, _ := v["user"].(string)
				at.loggedIn = user != "" || slices.ContainsFunc(logins, func(l placed) bool {
					return len(l.hosts) == 0 || l.sameHost(&at)
				})
				at.public, _ = v["public"].(bool)
				at.besideGateway, _ = v["beside_gateway"].(bool)
				all = append(all, at)
				return
			}
			matchers, _ := v["match"].([]any)
			var hosts []string
			for _, m := range matchers {
				m, ok := m.(map[string]any)
				if !ok {
					continue
				}
				named, host := m["host"].([]any)
				for _, h := range named {
					hosts = append(hosts, strings.ToLower(fmt.Sprint(h)))
				}
				at.some = at.some || len(m) > 1 || len(m) == 1 && !host
			}
			if len(hosts) > 0 {
				at.hosts = hosts
			}
			for _, e := range v {
				walk(e, at)
			}
		}
	}
	walk(s.Routes, placed{})
	return all
}

// logsIn reports whether a handler sets the user that livy_api and livy_console read.
func logsIn(handler map[string]any) bool {
	switch handler["handler"] {
	case "authentication":
		return true
	case "map":
		destinations, _ := handler["destinations"].([]any)
		return slices.Contains(destinations, any("{http.auth.user.id}"))
	}
	return false
}

// sameHost reports whether two handlers of one server get requests for the same host. A
// handler for all hosts gets those that no other one names.
func (h *placed) sameHost(other *placed) bool {
	if len(h.hosts) == 0 || len(other.hosts) == 0 {
		return len(h.hosts) == len(other.hosts)
	}
	return slices.ContainsFunc(h.hosts, func(host string) bool { return slices.Contains(other.hosts, host) })
}

// elsewhere reports whether a handler belongs on another host than Spark UIs. For gateways this
// is the case only if Spark UIs have a site of their own.
func (h *placed) elsewhere(ownSite bool) bool {
	return ownSite && h.name == "livy_gateway" || slices.Contains(managing, h.name)
}

const uiMend = "give Spark UIs a host of their own: spark_ui https://ui.example.com in the livy block, " +
	"and a site of that name with livy_spark_ui"

// examineUIs checks which handlers share a host with Spark UIs, whose pages can have content
// written by users.
func (p *patient) examineUIs() (results []doctor.Result) {
	if !p.showsUIs() {
		return nil
	}
	own := p.app.sparkUI != "" // Spark UIs have a site of their own
	var sites []placed
	for _, name := range slices.Sorted(maps.Keys(p.config.Apps.HTTP.Servers)) {
		s := p.config.Apps.HTTP.Servers[name]
		all := s.handlers()
		check := "Spark UIs " + strings.Join(s.Listen, ", ")
		for i := range all {
			ui := &all[i]
			if ui.name != "livy_spark_ui" || ui.besideGateway == own {
				continue
			}
			sites = append(sites, *ui)
			beside := slices.IndexFunc(all, func(other placed) bool {
				return other.elsewhere(own) && ui.sameHost(&other)
			})
			switch {
			case beside >= 0:
				results = append(results, doctor.Warning(check, fmt.Sprintf(
					"%s is on the same host as Spark UIs: their pages come from drivers, which run users' code, "+
						"and have the logins and cookies of that host in a browser; only the pages' "+
						"Content-Security-Policy keeps their scripts from using them", all[beside].name), uiMend))
			case own:
				results = append(results, doctor.Good(check, "on a host of their own"))
			}
		}
	}
	if p.app.sparkUI != "" {
		results = append(results, p.examineUISite(sites)...)
	}
	return results
}

// showsUIs reports whether this configuration shows any Spark UI.
func (p *patient) showsUIs() bool {
	m := p.app.core.Manager
	_, beside := m.Runtime.(upstream.DriverHoster)
	return beside || p.app.HistoryServer != nil ||
		slices.ContainsFunc(p.app.Clusters, func(c gateway.Cluster) bool { return c.ConfDir != "" })
}

// examineUISite checks whether links to Spark UIs lead to a site that exists, and to a host that
// shares no cookies with gateways.
func (p *patient) examineUISite(sites []placed) (results []doctor.Result) {
	const check = "site of Spark UIs"
	u, err := url.Parse(p.app.sparkUI)
	if err != nil {
		return nil // does not happen: sparkui.ParseSite returned it
	}
	host := u.Hostname()
	named := func(s placed) bool { return len(s.hosts) == 0 || slices.Contains(s.hosts, host) }
	if !slices.ContainsFunc(sites, named) {
		results = append(results, doctor.Warning(check,
			"spark_ui is "+p.app.sparkUI+", but no site at this address has livy_spark_ui: "+
				"links to Spark UIs lead nowhere",
			"add a site "+p.app.sparkUI+" with livy_spark_ui, unless another instance has it"))
	}
	for _, name := range slices.Sorted(maps.Keys(p.config.Apps.HTTP.Servers)) {
		s := p.config.Apps.HTTP.Servers[name]
		for _, h := range s.handlers() {
			if h.elsewhere(true) && slices.Contains(h.hosts, host) && !s.listensOn(u) {
				results = append(results, doctor.Warning(check,
					h.name+" is on "+host+" too, on another port: browsers send a host's cookies to all of its ports",
					uiMend))
			}
		}
	}
	return results
}

// listensOn reports whether a server has the port of an address.
func (s *server) listensOn(u *url.URL) bool {
	port := cmp.Or(u.Port(), sparkui.DefaultPort(u.Scheme))
	return slices.ContainsFunc(s.Listen, func(address string) bool {
		_, on, err := net.SplitHostPort(address)
		return err == nil && on == port
	})
}
