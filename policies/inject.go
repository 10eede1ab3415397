package policies

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// force is a setting that the gateway sets, whatever a client requests.
type force struct {
	// key is the field's name or the Spark key.
	key    string
	field  int // position in fields, -1 for a key of conf
	value  string
	rule   string
	source string
}

// listForce holds list values that are put before the client's own.
type listForce struct {
	field  int // position in fields, -1 for a key of conf
	key    string
	values []string
	source string
}

// joined lists settings with several values: values from several parts of the gateway are
// joined.
var joined = map[string]string{
	"spark.plugins": ",", "spark.sql.extensions": ",", "spark.extraListeners": ",",
	"spark.driver.extraClassPath": ":", "spark.executor.extraClassPath": ":",
	"spark.driver.extraLibraryPath": ":", "spark.executor.extraLibraryPath": ":",
	"spark.driver.extraJavaOptions": " ", "spark.executor.extraJavaOptions": " ",
}

func (p *Policy) compileInjection() error {
	if p.set.Queue != "" {
		if err := p.force("queue", p.set.Queue, "the gateway's queue", "gateway queue"); err != nil {
			return err
		}
		for _, key := range p.set.QueueKeys {
			if err := p.force(key, p.set.Queue, "the gateway's queue", "gateway queue"); err != nil {
				return err
			}
		}
	}
	if p.identity != "" {
		if err := p.force("proxyUser", p.identity, "jobs run as the gateway's creator",
			"gateway identity"); err != nil {
			return err
		}
	}
	if c := p.set.Cluster; c != nil {
		if err := p.compileCluster(c); err != nil {
			return err
		}
	}
	if e := p.set.Environment; e != nil {
		if err := p.compileEnvironment(e); err != nil {
			return err
		}
	}
	if f := p.set.Fusion; f != nil {
		source := "fusion " + f.Name
		p.forceList("jars", f.Jars, source)
		if err := p.forceConf(f.Conf, "the gateway's acceleration", source); err != nil {
			return err
		}
	}
	if w := p.set.Warehouse; w != nil {
		if err := p.forceConf(w.Conf, warehouseRule, warehouseSource); err != nil {
			return err
		}
	}
	if dir := p.set.EventLogs; dir != "" {
		conf := map[string]string{"spark.eventLog.enabled": "true", "spark.eventLog.dir": dir}
		if err := p.forceConf(conf, "for the history server", "history server"); err != nil {
			return err
		}
	}
	return p.compileLabels()
}

// compileCluster forces the cluster's settings. A gateway's queue wins over the cluster's
// namespace.
func (p *Policy) compileCluster(c *Cluster) error {
	conf := c.Conf
	if p.set.Queue != "" {
		conf = maps.Clone(conf)
		maps.DeleteFunc(conf, func(key, _ string) bool { return slices.Contains(p.set.QueueKeys, key) })
	}
	return p.forceConf(conf, "the gateway's cluster", "cluster "+c.Name)
}

func (p *Policy) compileEnvironment(e *Environment) error {
	source := "environment " + e.Name
	p.forceList("pyFiles", e.PyFiles, source)
	p.forceList("jars", e.Jars, source)
	p.forceList("files", e.Files, source)
	if p.yarn() {
		p.forceList("archives", e.Archives, source)
	} else if len(e.Archives) > 0 {
		// The archives field is spark.yarn.dist.archives, which only YARN reads.
		p.lists = append(p.lists, listForce{field: -1, key: "spark.archives", values: e.Archives, source: source})
	}
	if err := p.forceConf(e.Conf, "the gateway's environment", source); err != nil {
		return err
	}
	prefix := ""
	if p.yarn() {
		prefix = "spark.yarn.appMasterEnv."
	} else if p.kubernetes() {
		prefix = "spark.kubernetes.driverEnv."
	}
	if err := p.forceEnv(prefix, e.Env, source); err != nil {
		return err
	}
	return p.forceEnv("spark.executorEnv.", e.Env, source)
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// stronger maps environment variables to the settings that take precedence over them: forcing
// the variable also forces the setting.
var stronger = map[string]string{
	"PYSPARK_PYTHON":        "spark.pyspark.python",
	"PYSPARK_DRIVER_PYTHON": "spark.pyspark.driver.python",
}

// forceEnv forces environment variables. Without a prefix there is no setting for them, and it
// only checks their names.
func (p *Policy) forceEnv(prefix string, vars map[string]string, source string) error {
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if !envName.MatchString(name) {
			return gateway.Invalid(source, name,
				"the name of an environment variable must consist of letters, digits and underscores")
		}
		const rule = "the gateway's environment variables"
		if key := stronger[name]; key != "" {
			if err := p.force(key, vars[name], rule, source); err != nil {
				return err
			}
		}
		if prefix == "" {
			continue
		}
		if err := p.force(prefix+name, vars[name], rule, source); err != nil {
			return err
		}
	}
	return nil
}

func (p *Policy) forceConf(conf map[string]string, rule, source string) error {
	for _, key := range slices.Sorted(maps.Keys(conf)) {
		if reason := badKey(key); reason != "" {
			return gateway.Invalid(source, key, "the key "+reason)
		}
		if fams := familiesOf[key]; len(fams) > 0 && fams[0].list {
			return gateway.Invalid(source, key,
				"is a list that is merged with the client's; set it in "+orDefault(fams[0].field, "labels"))
		}
		if _, ok := fieldIndex[key]; ok {
			return gateway.Invalid(source, key, "is a field of Livy's requests; use Spark's key")
		}
		if reason := p.reserved(key); reason != "" {
			return gateway.Invalid(source, key,
				"cannot be set for jobs: it "+reason+"; keys of Livy belong in livy.conf or livy-client.conf")
		}
		if err := p.force(key, conf[key], rule, source); err != nil {
			return err
		}
	}
	return nil
}

func (p *Policy) forceList(name string, values []string, source string) {
	if len(values) > 0 {
		p.lists = append(p.lists, listForce{field: fieldIndex[name], key: name, values: values, source: source})
	}
}

// force adds a forced setting under the name that takes precedence, and covers all its other
// names.
func (p *Policy) force(key, value, rule, source string) error {
	if strings.ContainsRune(value, 0) {
		return gateway.Invalid(source, key, "the value must not contain NUL")
	}
	f := force{key: key, field: -1, value: value, rule: rule, source: source}
	names := spellings(key)
	if fam := primary(key); fam != nil {
		f.key = fam.key()
		if fam.field != "" && fields[fieldIndex[fam.field]].only == "" {
			f.key, f.field = fam.field, fieldIndex[fam.field]
			if fields[f.field].shape == shapeInt {
				text, err := wholeNumber(key, value)
				if err != nil {
					return fmt.Errorf("%s: %w", source, err)
				}
				f.value = text
			}
		}
		p.controlled[fam] = true
	}
	if i, ok := p.forcedAt[f.key]; ok && p.forced[i].key == f.key {
		have := &p.forced[i]
		sep, join := joined[f.key]
		switch {
		case have.value == f.value:
		case join:
			have.value += sep + f.value
			have.source += ", " + source
		default:
			return gateway.Invalid(source, f.key, "is also set by "+have.source+" with another value")
		}
		return nil
	}
	p.forced = append(p.forced, f)
	for _, name := range names {
		if _, ok := p.forcedAt[name]; !ok {
			p.forcedAt[name] = len(p.forced) - 1
		}
	}
	p.forcedAt[f.key] = len(p.forced) - 1
	return nil
}

// primary returns the family that a name stands for, or nil: the one of which it is the first key
// or the field, otherwise the first one that contains it.
func primary(name string) *family {
	fams := familiesOf[name]
	for _, f := range fams {
		if f.field == name || len(f.keys) > 0 && f.keys[0] == name {
			return f
		}
	}
	if len(fams) == 0 {
		return nil
	}
	return fams[0]
}

var (
	labelName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,40}[a-z0-9])?$`)
	labelValue = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
)

// LabelTag returns the YARN application tag of a label. YARN shows tags in lower case.
func LabelTag(name, value string) string { return "livygateway." + name + ":" + value }

// compileLabels sets labels where each cluster manager shows them.
func (p *Policy) compileLabels() error {
	var tags []string
	for _, name := range slices.Sorted(maps.Keys(p.set.Labels)) {
		value := p.set.Labels[name]
		if !labelName.MatchString(name) || !labelValue.MatchString(value) {
			return gateway.Invalid("labels", name+"="+value,
				"a label's name must be at most 42 lowercase letters, "+
					"digits, dots and hyphens, and its value at most 63 letters, digits and _ . -")
		}
		keys := []string{"spark.livygateway." + name}
		if p.kubernetes() {
			keys = append(keys, podLabelKeys(name)...)
		}
		for _, key := range keys {
			if err := p.force(key, value, "the gateway's labels", "gateway labels"); err != nil {
				return err
			}
		}
		tags = append(tags, LabelTag(name, value))
	}
	if p.yarn() && len(tags) > 0 {
		p.lists = append(p.lists,
			listForce{field: -1, key: "spark.yarn.tags", values: tags, source: "gateway labels"})
	}
	return nil
}

// listRule is the rule of forced values that are put into a list.
const listRule = "put before the client's own"

// inject sets the forced settings and prepends the forced lists.
func (c *creation) inject() {
	for i, f := range c.p.forced {
		if f.field >= 0 {
			c.req.values[f.field] = value{given: true, text: f.value}
		} else {
			c.req.set(f.key, f.value)
		}
		c.report.Forced = append(c.report.Forced,
			Entry{Key: f.key, Given: c.overridden[i], Set: shown(f.key, f.value), Rule: f.rule, Source: f.source})
	}
	for _, l := range c.p.lists {
		if l.field >= 0 {
			v := &c.req.values[l.field]
			v.given, v.list = true, prepend(l.values, v.list)
		} else {
			old, _ := c.req.get(l.key)
			c.req.set(l.key, strings.Join(prepend(l.values, splitList(old)), ","))
		}
		c.report.Forced = append(c.report.Forced,
			Entry{Key: l.key, Set: shown(l.key, strings.Join(l.values, ",")), Rule: listRule, Source: l.source})
	}
}

// prepend returns first followed by the values of rest that are not in first.
func prepend(first, rest []string) []string {
	out := slices.Clone(first)
	for _, s := range rest {
		if !slices.Contains(first, s) {
			out = append(out, s)
		}
	}
	return out
}

func splitList(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ' ' })
}
