package policies

import (
	"cmp"
	"slices"
	"strings"
)

// InForce is one rule that a policy applies to every create request.
type InForce struct {
	// Effect is force (the gateway sets it), add (its values come before the
	// client's), ignore (the client's value is dropped), max, allow, require,
	// grant (clients may set it although the policy is strict), strict (clients may
	// set the listed settings alone), or off for a route of Livy's API that is not served.
	Effect string `json:"effect"`
	// Key is the field, the Spark key, a prefix followed by *, or the route.
	Key string `json:"key"`
	// Value is the value that is set or added, the maximum, or the allowed values; redacted if
	// it may be a secret.
	Value string `json:"value,omitempty"`
	// Action is the action on a request that breaks the rule: lower or refuse.
	Action string `json:"action,omitempty"`
	// Source is where the rule was defined: "spark-blacklist.conf:3", "gateway queue".
	Source string `json:"source"`
}

// InForce lists the policy's rules, except the guards that apply to every gateway, ordered by
// effect and key. Other names of a key, to which its rules apply too, are left out.
func (p *Policy) InForce() []InForce {
	all := []InForce{}
	for _, f := range p.forced {
		all = append(all, InForce{Effect: "force", Key: f.key, Value: Redact(f.key, f.value), Source: f.source})
	}
	for _, l := range p.lists {
		all = append(all, InForce{
			Effect: "add", Key: l.key, Value: Redact(l.key, strings.Join(l.values, ", ")),
			Source: l.source,
		})
	}
	for key, m := range p.deny.exact {
		if m.source != builtIn && !m.spelling {
			all = append(all, InForce{Effect: "ignore", Key: key, Source: m.source})
		}
	}
	for _, d := range p.deny.prefixes {
		all = append(all, InForce{Effect: "ignore", Key: d.prefix + "*", Source: d.mark.source})
	}
	for i := range p.rules {
		r := &p.rules[i]
		if r.executors {
			continue
		}
		line := InForce{Key: r.Key, Action: string(r.Action), Source: r.Source}
		if r.Max != "" {
			line.Effect, line.Value = "max", r.Max
			all = append(all, line)
		}
		if r.Allowed != nil {
			line.Effect, line.Value = "allow", strings.Join(r.Allowed, ", ")
			all = append(all, line)
		}
		if r.Required {
			all = append(all, InForce{Effect: "require", Key: r.Key, Source: r.Source})
		}
	}
	if p.set.Mode == ModeStrict {
		all = append(all, InForce{
			Effect: ModeStrict, Key: "conf, className, schemes",
			Value: "only what is listed, granted or ruled", Source: strictSource,
		})
	}
	for _, g := range p.set.Grants {
		all = append(all, InForce{Effect: "grant", Key: g.Name, Value: g.What, Source: g.Source})
	}
	for name, off := range p.disabled {
		all = append(all, InForce{Effect: "off", Key: name, Source: off.source})
	}
	slices.SortStableFunc(all, func(a, b InForce) int {
		return cmp.Or(strings.Compare(a.Effect, b.Effect), strings.Compare(a.Key, b.Key))
	})
	return all
}
