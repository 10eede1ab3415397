package policies

import (
	"fmt"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/policies/sparkconf"
)

// tableUnits maps the units of Spark's settings to those of policies.
var tableUnits = map[sparkconf.Unit]unit{
	sparkconf.Int: unitInt, sparkconf.Bytes: unitBytes, sparkconf.KiB: unitKiB, sparkconf.MiB: unitMiB,
	sparkconf.Millis: unitDuration, sparkconf.Seconds: unitSeconds,
}

// withUnit returns the family with the unit of Spark's setting, if the table of families does
// not set one.
func (f *family) withUnit() *family {
	if f.unit != unitText || len(f.keys) == 0 {
		return f
	}
	s, _ := sparkconf.Lookup(f.keys[0])
	u, ok := tableUnits[s.Unit]
	if !ok {
		return f
	}
	g := *f
	g.unit, g.oldSuffix = u, u != unitInt
	return &g
}

// parse parses a value given under one of the family's names. Under old names, which often have
// another unit, a number needs a suffix.
func (f *family) parse(name, text string) (int64, bool) {
	u := f.unit
	if f.oldSuffix && len(f.keys) > 0 && name != f.keys[0] {
		trimmed := strings.TrimSpace(text)
		if trimmed == "" || trimmed[len(trimmed)-1] <= '9' {
			return 0, false
		}
	}
	return u.parse(text)
}

// standard returns Spark's own default of a family, or "" if it is unknown. said returns the
// values of other settings that the default may refer to.
func (f *family) standard(said func(key string) string) string {
	if f.fallback != "" || len(f.keys) == 0 {
		return f.fallback
	}
	return sparkconf.Default(f.keys[0], said)
}

// said returns a setting's value from the client or spark-defaults.conf.
func (c *creation) said(key string) string {
	if text, ok := c.req.get(key); ok {
		return text
	}
	return c.p.set.SparkDefaults[key]
}

// Notes returns warnings about a policy: rules that do not apply to requests that omit the
// setting.
func (p *Policy) Notes() []string {
	var notes []string
	for i := range p.rules {
		r := &p.rules[i]
		if r.executors || r.fam.list || r.Max == "" && r.Allowed == nil || r.Required || p.required(r.fam) {
			continue
		}
		said := func(key string) string { return p.set.SparkDefaults[key] }
		if r.fam.standard(said) == "" &&
			!slices.ContainsFunc(r.fam.keys, func(key string) bool { return said(key) != "" }) {
			notes = append(notes, fmt.Sprintf(
				"%s: applies only to requests that set %s, whose default is unknown; \"require %s\" makes it mandatory",
				r.Source, r.Key, r.Key))
		}
	}
	return notes
}

// required reports whether a rule makes a family mandatory.
func (p *Policy) required(f *family) bool {
	for i := range p.rules {
		if p.rules[i].Required && p.rules[i].fam.key() == f.key() {
			return true
		}
	}
	return false
}
