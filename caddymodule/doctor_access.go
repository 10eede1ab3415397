package caddymodule

import (
	"maps"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/doctor"
)

// examineRoles checks whether roles limit the access to the management API on sites.
func (p *patient) examineRoles() (results []doctor.Result) {
	for _, name := range slices.Sorted(maps.Keys(p.config.Apps.HTTP.Servers)) {
		s := p.config.Apps.HTTP.Servers[name]
		if !slices.ContainsFunc(s.handlers(), func(h placed) bool { return h.name == "livy_api" }) {
			continue
		}
		check := "roles " + strings.Join(s.Listen, ", ")
		if p.app.Roles == nil {
			results = append(results, doctor.Warning(check, "livy_api without roles: every user who is logged in has full access",
				"define roles in the livy block, see docs/access.md"))
			continue
		}
		results = append(results, doctor.Good(check, "defined"))
	}
	return results
}

// examineLogins checks whether livy_api and livy_console are told who the user is.
func (p *patient) examineLogins() (results []doctor.Result) {
	for _, name := range slices.Sorted(maps.Keys(p.config.Apps.HTTP.Servers)) {
		s := p.config.Apps.HTTP.Servers[name]
		for _, h := range s.handlers() {
			if !slices.Contains(managing, h.name) {
				continue
			}
			check := h.name + " " + strings.Join(s.Listen, ", ")
			if h.loggedIn {
				results = append(results, doctor.Good(check, "behind an authentication"))
				continue
			}
			results = append(results, doctor.Warning(check, "no authentication before it: every request is answered 401",
				"put basic_auth or another authentication of Caddy's into the site; behind forward_auth or a proxy that "+
					"names the user in a header, set its option user, see docs/access.md"))
		}
	}
	return results
}
