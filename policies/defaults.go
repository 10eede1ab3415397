package policies

import (
	"fmt"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/policies/sparkconf"
)

// tableUnits are the units of Spark's settings as policies know them.
var tableUnits = map[sparkconf.Unit]unit{
	sparkconf.Int: unitInt, sparkconf.Bytes: unitBytes, sparkconf.KiB: unitKiB, sparkconf.MiB: unitMiB,
	sparkconf.Millis: unitDuration, sparkconf.Seconds: unitSeconds,
}

// withUnit is the family with the unit that Spark's values of the key have, where the
// table of families does not say.
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

// parse reads a value of the family that has one of its names. Under old names, which
// often say another unit, a number needs a suffix.
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

// standard is Spark's own default of a family, with what client and defaults say of the
// setting whose value it may be; "" if it is not known.
func (f *family) standard(said func(key string) string) string {
	if f.fallback != "" || len(f.keys) == 0 {
		return f.fallback
	}
	return sparkconf.Default(f.keys[0], said)
}

// said is what client or spark-defaults.conf say of a setting.
func (c *creation) said(key string) string {
	if text, ok := c.req.get(key); ok {
		return text
	}
	return c.p.set.SparkDefaults[key]
}

// Notes says what a person should know of a policy: which of its rules do not judge a
// request that leaves the setting out.
func (p *Policy) Notes() []string {
	var notes []string
	for i := range p.rules {
		r := &p.rules[i]
		if r.executors || r.fam.list || r.Max == "" && r.Allowed == nil || r.Required || p.required(r.fam) {
			continue
		}
		said := func(key string) string { return p.set.SparkDefaults[key] }
		if r.fam.standard(said) == "" && !slices.ContainsFunc(r.fam.keys, func(key string) bool { return said(key) != "" }) {
			notes = append(notes, fmt.Sprintf("%s: holds only for requests that set %s, whose default is not known; \"require %s\" makes all set it", r.Source, r.Key, r.Key))
		}
	}
	return notes
}

// required reports whether a rule has every request say something of a family.
func (p *Policy) required(f *family) bool {
	for i := range p.rules {
		if p.rules[i].Required && p.rules[i].fam.key() == f.key() {
			return true
		}
	}
	return false
}
