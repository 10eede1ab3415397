package policies

import (
	"slices"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies/sparkconf"
)

// rule is a compiled Rule.
type rule struct {
	Rule
	fam   *family
	field int // position in fields, -1 if the family has none
	max   int64
	// executors is set on the rules on dynamic allocation that follow from a maximum of
	// executors.
	executors bool
}

const dynamicAllocation = "spark.dynamicAllocation."

func (p *Policy) compileRules() error {
	for _, r := range p.set.Rules {
		c, err := p.compileRule(r)
		if err != nil {
			return err
		}
		p.rules = append(p.rules, c)
		p.controlled[c.fam] = true
		p.ruled[r.Key] = true
		for _, key := range c.fam.keys {
			p.ruled[key] = true
		}
	}
	for _, r := range slices.Clone(p.rules) {
		if r.fam.field != "numExecutors" || r.Max == "" {
			continue
		}
		for _, name := range []string{"maxExecutors", "minExecutors", "initialExecutors"} {
			key := dynamicAllocation + name
			if slices.ContainsFunc(p.rules, func(o rule) bool { return o.fam == primary(key) && o.Max != "" }) {
				continue
			}
			derived := Rule{Key: key, Max: r.Max, Action: r.Action, Source: r.Source}
			p.rules = append(p.rules,
				rule{Rule: derived, fam: primary(key), field: -1, max: r.max, executors: true})
		}
	}
	return nil
}

// named returns a rule's key for errors. It is hidden unless it is a known key, because a file
// given by mistake may contain secrets.
func named(key string) string {
	if strings.HasPrefix(key, "spark.") || strings.HasPrefix(key, "livy.") || primary(key) != nil {
		return key
	}
	return "the key"
}

func (p *Policy) compileRule(r Rule) (rule, error) {
	r.Source = orDefault(r.Source, "rule "+r.Key)
	r.Action = orDefault(r.Action, Refuse)
	if r.Action != Refuse && r.Action != Lower {
		return rule{}, gateway.InvalidLine(r.Source, "the action must be lower or refuse")
	}
	if reason := badKey(r.Key); reason != "" {
		return rule{}, gateway.InvalidLine(r.Source, "the key "+reason)
	}
	if _, ok := p.deny.find(r.Key); ok && r.Required {
		return rule{}, gateway.InvalidLine(r.Source,
			named(r.Key)+" cannot be required, since the client's value is ignored")
	}
	if _, ok := p.forcedAt[r.Key]; ok {
		return rule{}, gateway.InvalidLine(r.Source, named(r.Key)+" needs no rule, since the gateway sets it")
	}
	c := rule{Rule: r, fam: primary(r.Key), field: -1}
	if c.fam == nil {
		c.fam = &family{keys: []string{r.Key}}
		if names := sparkconf.NamesOf(r.Key); names != nil {
			c.fam.keys = names
		}
	}
	c.fam = c.fam.withUnit()
	if c.fam.field != "" {
		c.field = fieldIndex[c.fam.field]
	}
	if r.Max != "" {
		if err := c.compileMax(); err != nil {
			return rule{}, err
		}
	}
	for _, v := range r.Allowed {
		if n := strings.Index(v, "*"); n >= 0 && n != len(v)-1 {
			return rule{}, gateway.InvalidLine(r.Source, "a * is allowed at the end only")
		}
		if c.field == fKind && sessionKinds[v] == "" {
			return rule{}, gateway.InvalidLine(r.Source, "a kind "+kindRule)
		}
	}
	if r.Max == "" && r.Allowed == nil && !r.Required {
		return rule{}, gateway.InvalidLine(r.Source, "a rule needs max, allowed or required")
	}
	return c, nil
}

// compileMax determines how the key's values compare. For a key in no table that follows from the
// maximum itself: a number, or a size with a suffix.
func (c *rule) compileMax() error {
	if c.fam.list {
		return gateway.InvalidLine(c.Source, named(c.Key)+" is a list and has no maximum")
	}
	if c.fam.unit == unitText && primary(c.Key) == nil {
		f := *c.fam
		f.unit = unitSize
		if _, ok := unitInt.parse(c.Max); ok {
			f.unit = unitInt
		}
		c.fam = &f
	}
	n, ok := c.fam.unit.parse(c.Max)
	if !ok || c.fam.unit == unitText {
		return gateway.InvalidLine(c.Source, "the maximum of "+named(c.Key)+" must be "+c.fam.unit.name())
	}
	c.max = n
	if c.field >= 0 && fields[c.field].shape == shapeInt {
		c.Max = strconv.FormatInt(n, 10)
	}
	return nil
}

// applyRules applies the rules to what is left of the client's request, together with the
// defaults for omitted settings.
func (c *creation) applyRules() {
	for i := range c.p.rules {
		r := &c.p.rules[i]
		if r.field >= 0 && !fields[r.field].known(c.req.kind, c.p.version) {
			continue
		}
		c.applyRule(r)
	}
}

func (c *creation) applyRule(r *rule) {
	given, name, ok := c.client(r.fam)
	if r.Required && !ok {
		c.refuse(r.fam.key(), "", "is required", r.Source)
		return
	}
	c.dropRelated(r)
	if r.fam.list {
		c.applyToList(r)
		return
	}
	text := given
	if !ok {
		name = r.fam.key()
		text = c.fallback(r)
	}
	if text == "" && !ok {
		return
	}
	if reason, best := r.violated(name, text); reason != "" {
		if !ok && r.Max != "" && best == "" && r.Allowed == nil {
			best = r.Max // a default such as -1 means no limit
		}
		// A default must not make a request fail without a hint.
		if r.Action == Refuse && ok || best == "" {
			if !ok {
				reason += "; its default does not meet this, so it must be set"
			}
			c.refuse(name, given, reason, r.Source)
			return
		}
		c.replace(r.fam, best)
		c.report.Lowered = append(c.report.Lowered,
			Entry{Key: name, Given: shown(name, given), Set: shown(name, best), Rule: reason, Source: r.Source})
	}
}

// violated returns what is wrong with a value, and the value to lower it to, which is empty if
// there is none.
func (r *rule) violated(name, text string) (reason, best string) {
	if r.Allowed != nil && !slices.ContainsFunc(r.Allowed,
		func(allowed string) bool { return r.same(allowed, name, text) }) {
		best = r.Allowed[0]
		if strings.HasSuffix(best, "*") {
			best = ""
		}
		return "must be one of " + strings.Join(r.Allowed, ", "), best
	}
	if r.Max == "" {
		return "", ""
	}
	n, ok := r.fam.parse(name, text)
	switch {
	case !ok:
		return "must be " + r.fam.unit.name() + ", at most " + r.Max, ""
	case n > r.max, n == 0 && r.fam.unlimited:
		return "must be at most " + r.Max, r.Max
	}
	return "", ""
}

func (r *rule) same(allowed, name, text string) bool {
	if prefix, wild := strings.CutSuffix(allowed, "*"); wild {
		return strings.HasPrefix(text, prefix)
	}
	if r.field == fKind {
		return sessionKinds[allowed] == sessionKinds[text]
	}
	a, ok1 := r.fam.unit.parse(allowed)
	b, ok2 := r.fam.parse(name, text)
	return ok1 && ok2 && a == b || allowed == text && (ok2 || !ok1)
}

// applyToList checks each of the client's values against the allowed ones.
func (c *creation) applyToList(r *rule) {
	if r.Allowed == nil {
		return
	}
	check := func(name string, values []string) {
		for _, v := range values {
			if reason, _ := r.violated(name, v); reason != "" {
				c.refuse(name, v, reason, r.Source)
			}
		}
	}
	if r.field >= 0 {
		check(r.fam.field, c.req.values[r.field].list)
	}
	for _, key := range r.fam.keys {
		if text, ok := c.req.get(key); ok {
			check(key, splitList(text))
		}
	}
}

// client returns the client's value for a family, and the name that it used.
func (c *creation) client(f *family) (text, name string, ok bool) {
	if f.field != "" {
		if v := &c.req.values[fieldIndex[f.field]]; v.given {
			return v.string(), f.field, true
		}
	}
	for _, key := range f.keys {
		if text, ok := c.req.get(key); ok {
			return text, key, true
		}
	}
	return "", "", false
}

// fallback returns the value that applies if the client sets none, or "" if it is unknown.
func (c *creation) fallback(r *rule) string {
	if r.executors {
		return c.dynamicFallback(r)
	}
	for _, key := range r.fam.keys {
		if text := c.p.set.SparkDefaults[key]; text != "" {
			return text
		}
	}
	return r.fam.standard(c.said)
}

func (c *creation) defaultOf(f *family) string {
	for _, key := range f.keys {
		if text := c.p.set.SparkDefaults[key]; text != "" {
			return text
		}
	}
	return f.fallback
}

// dynamicFallback returns the default of dynamic allocation, which is unlimited.
func (c *creation) dynamicFallback(r *rule) string {
	if text := c.p.set.SparkDefaults[r.fam.keys[0]]; text != "" {
		return text
	}
	on, ok := c.req.get(dynamicAllocation + "enabled")
	if !ok {
		on = orDefault(c.p.set.SparkDefaults[dynamicAllocation+"enabled"], "false")
	}
	if strings.EqualFold(strings.TrimSpace(on), "false") || r.fam.keys[0] != dynamicAllocation+"maxExecutors" {
		return ""
	}
	return "2147483647"
}

// replace replaces all of the client's values for a family.
func (c *creation) replace(f *family, text string) {
	for _, key := range f.keys {
		c.req.drop(key)
	}
	if f.field != "" {
		c.req.values[fieldIndex[f.field]] = value{given: true, text: text}
	} else {
		c.req.set(f.keys[0], text)
	}
}

// dropRelated drops related settings that would bypass a rule.
func (c *creation) dropRelated(r *rule) {
	if r.Max == "" && r.Allowed == nil {
		return
	}
	for _, key := range r.fam.related {
		if r.Max != "" && strings.HasPrefix(key, dynamicAllocation) {
			continue
		}
		if text, ok := c.req.drop(key); ok {
			c.ignore(key, text, "would bypass the rule on "+r.fam.key(), r.Source)
		}
	}
}
