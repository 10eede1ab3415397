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
	// executors is set on the rules that a cap on executors puts on dynamic
	// allocation.
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
			p.rules = append(p.rules, rule{Rule: derived, fam: primary(key), field: -1, max: r.max, executors: true})
		}
	}
	return nil
}

// named is a rule's key as an error may name it: a word that is no key may be anything.
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
		return rule{}, gateway.InvalidLine(r.Source, named(r.Key)+" cannot be required, since the client's value is ignored")
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
			return rule{}, gateway.InvalidLine(r.Source, "a * may stand at the end only")
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

// compileMax finds out how the key's values compare. For a key that is in no table the
// cap itself tells: a number, or a size with its suffix.
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

// applyRules judges what is left of the client's request, together with the
// defaults that would fill the gaps.
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
		// The client is not to blame for what it did not say.
		if r.Action == Refuse && ok || best == "" {
			if !ok {
				reason += ", which the default of those who leave it out is not"
			}
			c.refuse(name, given, reason, r.Source)
			return
		}
		c.replace(r.fam, best)
		c.report.Lowered = append(c.report.Lowered, Entry{Key: name, Given: shown(name, given), Set: shown(name, best), Rule: reason, Source: r.Source})
	}
}

// violated says what is wrong with a value and what would be right; best is
// empty when there is nothing to lower it to.
func (r *rule) violated(name, text string) (reason, best string) {
	if r.Allowed != nil && !slices.ContainsFunc(r.Allowed, func(allowed string) bool { return r.same(allowed, name, text) }) {
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

// applyToList holds each of the client's values against the allowed ones.
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

// client finds what the client says of a family, and under which name.
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

// fallback is what holds when the client says nothing, "" if that is unknown.
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

// dynamicFallback is what dynamic allocation does without being told: as many
// executors as it likes.
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

// replace puts a value in place of all that the client says of a family.
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

// dropRelated leaves out the other ways around a rule.
func (c *creation) dropRelated(r *rule) {
	if r.Max == "" && r.Allowed == nil {
		return
	}
	for _, key := range r.fam.related {
		if r.Max != "" && strings.HasPrefix(key, dynamicAllocation) {
			continue
		}
		if text, ok := c.req.drop(key); ok {
			c.ignore(key, text, "another way around the rule on "+r.fam.key(), r.Source)
		}
	}
}
