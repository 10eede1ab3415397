package caddymodule

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/accesskeys"
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

// examineAccessKeys checks whether requests of the managed product's API can be signed.
func (p *patient) examineAccessKeys(ctx context.Context) []doctor.Result {
	const check = "access keys"
	served := false
	for _, s := range p.config.Apps.HTTP.Servers {
		served = served || slices.ContainsFunc(s.handlers(), func(h placed) bool { return h.name == "livy_managed_api" })
	}
	switch {
	case !served:
		return nil
	case p.app.sealer == nil:
		return []doctor.Result{doctor.Warning(check, "livy_managed_api without a sealing_key: only bearer tokens are accepted",
			"add sealing_key to the livy block, see docs/managed-api.md")}
	case !p.running:
		return nil // the sealing keys are not in force
	}
	keys, err := p.app.core.AccessKeys.List(ctx)
	if err != nil {
		return nil // shows elsewhere
	}
	var unusable []string
	for _, k := range keys {
		if k.State == accesskeys.Unusable {
			unusable = append(unusable, k.ID)
		}
	}
	if len(unusable) > 0 {
		return []doctor.Result{doctor.Warning(check, "no sealing_key opens the secret of "+strings.Join(unusable, ", "),
			"add the sealing key that they were sealed with, or delete them and create others")}
	}
	return []doctor.Result{doctor.Good(check, "%d, all can be used", len(keys))}
}
