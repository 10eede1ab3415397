package policies

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

// Result is the result of applying a policy to a create request.
type Result struct {
	// Body is the body to send to Livy, as application/json without a content coding.
	Body []byte
	// Report lists what was ignored, forced, lowered, noted or refused. It is also set if Create
	// returns an error.
	Report Report
	// Effective holds what the job will run with, for the record.
	Effective Effective
}

// creation is the state of applying the policy to one create request.
type creation struct {
	p      *Policy
	req    *request
	report Report
	// overridden holds the client's value of each forced setting.
	overridden map[int]string
}

// Create parses a create request as Livy would, or rejects it, and applies the policy. Errors are
// of gateway.KindInvalid and may be shown to the client. Nothing is sent, so it also serves to
// explain a policy.
//
// contentEncoding and contentType are the request's first header lines of
// these names.
func (p *Policy) Create(kind livy.Kind, contentEncoding, contentType string, body io.Reader) (Result, error) {
	data, err := read(contentEncoding, contentType, body, bound{p.set.MaxBody, "max_body"})
	if err != nil {
		return unreadable(err)
	}
	req, err := parseRequest(kind, p.version, data)
	if err != nil {
		return unreadable(err)
	}
	c := &creation{p: p, req: req, overridden: map[int]string{}}
	c.report.Forced = make([]Entry, 0, len(p.forced)+len(p.lists))
	c.adoptIdentity()
	c.adoptTimeout()
	c.screenFields()
	c.screenConf()
	c.applyRules()
	if len(c.report.Refused) > 0 {
		return Result{Report: c.report}, c.refusal()
	}
	c.inject()
	if c.screenCommandLine(); len(c.report.Refused) > 0 {
		return Result{Report: c.report}, c.refusal()
	}
	cost, err := c.mount()
	if err != nil {
		return Result{Report: c.report}, err
	}
	out, err := req.encode()
	if err != nil {
		return Result{Report: c.report}, err
	}
	effective := c.effective(cost)
	c.noteMemory(&effective)
	return Result{Body: out, Report: c.report, Effective: effective}, nil
}

// unreadable returns the result for a body that is not a create request.
func unreadable(err error) (Result, error) {
	entry := Entry{Key: "body", Rule: err.Error(), Source: builtIn}
	var known *gateway.Error
	if errors.As(err, &known) && known.Field != "" {
		entry.Key, entry.Given, entry.Rule = known.Field, known.Value, known.Rule
	}
	return Result{Report: Report{Refused: []Entry{entry}}}, err
}

// refusal turns the report's refusals into an error for the client.
func (c *creation) refusal() error {
	first := c.report.Refused[0]
	rules := []string{first.Rule}
	if n := len(c.report.Refused) - 1; n > 0 {
		rules = append(rules, fmt.Sprintf("and %d more", n))
		for _, e := range c.report.Refused[1:min(n+1, 5)] {
			rules = append(rules, e.Key+": "+e.Rule)
		}
	}
	return gateway.Invalid(first.Key, first.Given, strings.Join(rules, "; "))
}

func (c *creation) refuse(key, given, rule, source string) {
	c.report.Refused = append(c.report.Refused,
		Entry{Key: shown("", key), Given: shown(key, given), Rule: rule, Source: source})
}

func (c *creation) ignore(key, given, rule, source string) {
	c.report.Ignored = append(c.report.Ignored,
		Entry{Key: key, Given: shown(key, given), Rule: rule, Source: source})
}

// adoptIdentity applies the managed product's setting for the user, if clients may choose one.
func (c *creation) adoptIdentity() {
	const key = "spark.livy.proxyUser"
	if !c.p.set.ClientIdentity || c.p.identity != "" || c.req.values[fProxyUser].given {
		return
	}
	if _, denied := c.p.deny.find(key); denied {
		return
	}
	user, ok := c.req.drop(key)
	if !ok {
		user = c.p.set.SparkDefaults[key]
	}
	if user != "" {
		c.req.values[fProxyUser] = value{given: true, text: user}
	}
}

// screenFields checks Livy's own fields.
func (c *creation) screenFields() {
	if c.req.kind == livy.KindBatch && !c.req.values[fFile].given {
		c.refuse("file", "", "is required", builtIn)
	}
	for i := range fields {
		v := &c.req.values[i]
		if !v.given {
			continue
		}
		name := fields[i].name
		if c.dropped(name, v) {
			*v = value{}
			continue
		}
		if reason := c.badField(i, v); reason != "" {
			c.refuse(name, v.string(), reason, builtIn)
		}
	}
}

func (v *value) string() string {
	if v.list != nil {
		return strings.Join(v.list, ", ") // whoever shows it quotes it
	}
	return v.text
}

// dropped applies the rules common to fields and keys: the blacklist and the gateway's own
// settings. It reports whether the client's value is dropped.
func (c *creation) dropped(name string, given *value) bool {
	if i, ok := c.p.forcedAt[name]; ok {
		f := &c.p.forced[i]
		if name == f.key {
			c.overridden[i] = shown(name, given.string())
		} else {
			c.ignore(name, given.string(), f.rule+" sets "+f.key, f.source)
		}
		return true
	}
	if m, ok := c.p.deny.find(name); ok {
		c.ignore(name, given.string(), m.rule, m.source)
		return true
	}
	return false
}

// badField returns what is wrong with a field's value, or "".
func (c *creation) badField(i int, v *value) string {
	switch i {
	case fName:
		if reason := livy.BadName(v.text); reason != "" {
			return reason
		}
	case fKind:
		if sessionKinds[v.text] == "" {
			return kindRule
		}
	case fProxyUser:
		if !userName.MatchString(v.text) {
			return userRule
		}
	case fClassName:
		if reason := c.p.allowClass(v.text); reason != "" {
			return reason
		}
	}
	naming := fieldNaming[fields[i].name]
	if naming == namesNothing {
		return ""
	}
	list := v.list
	if i == fFile {
		list = []string{v.text}
	}
	for _, uri := range list {
		if reason := c.p.badURI(naming, uri); reason != "" {
			return reason
		}
	}
	return ""
}

// screenConf checks Spark's settings one by one.
func (c *creation) screenConf() {
	for i := range c.req.conf {
		s := &c.req.conf[i]
		if s.dropped {
			continue
		}
		if reason := badKey(s.key); reason != "" {
			c.refuse("conf key "+s.key, "", reason, builtIn)
			continue
		}
		if reason := c.p.reserved(s.key); reason != "" {
			s.dropped = true
			c.report.Ignored = append(c.report.Ignored,
				Entry{Key: s.key, Given: shown(s.key, s.value), Rule: reason, Source: builtIn, Quiet: true})
			continue
		}
		if c.dropped(s.key, &value{text: s.value}) || c.hiveDropped(s) {
			s.dropped = true
			continue
		}
		if reason, source := c.p.closed(s.key); reason != "" {
			s.dropped = true
			c.ignore(s.key, s.value, reason, source)
			continue
		}
		if winner := c.shadowedBy(s.key); winner != "" {
			s.dropped = true
			c.ignore(s.key, s.value, winner+" takes precedence", "Livy")
			continue
		}
		c.screenValue(s)
	}
}

// hiveDropped reports whether a session asks for another catalog than it gets: Livy itself
// decides that, for all sessions of a server.
func (c *creation) hiveDropped(s *setting) bool {
	catalog := "in-memory"
	if c.p.set.HiveSessions {
		catalog = "hive"
	}
	if s.key != "spark.sql.catalogImplementation" || c.req.kind != livy.KindSession || s.value == catalog {
		return false
	}
	c.ignore(s.key, s.value, "Livy sets it to "+catalog+" for all sessions: livy.repl.enable-hive-context in livy.conf decides", "Livy")
	return true
}

func (c *creation) screenValue(s *setting) {
	if envVariable(s.key) != "" && strings.Contains(s.value, javaOption) {
		c.refuse(s.key, s.value, "must not contain "+javaOption+", which Spark's images take for Java options", builtIn)
	}
	if isJavaOptions(s.key) {
		if reason := c.p.badJavaOptions(s.key, s.value); reason != "" {
			c.refuse(s.key, s.value, reason, builtIn)
		}
	}
	if n := namingOf(s.key); n != namesNothing {
		if reason := c.p.badPaths(n, s.value); reason != "" {
			c.refuse(s.key, s.value, reason, builtIn)
		}
	}
}

// shadowedBy returns the name that takes precedence over a key in this request, or "": Livy's
// field over Spark's key, and Spark's current name over old ones. Lists are merged instead.
func (c *creation) shadowedBy(key string) string {
	for _, f := range familiesOf[key] {
		place := slices.Index(f.keys, key)
		if f.list || place < 0 {
			continue
		}
		if f.field != "" && c.req.values[fieldIndex[f.field]].given {
			return f.field
		}
		for _, other := range f.keys[:place] {
			if _, ok := c.req.get(other); ok {
				return other
			}
		}
	}
	return ""
}
