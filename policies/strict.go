package policies

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Grant is an additional permission of clients: see Settings.Grants.
type Grant struct {
	// What is GrantConf, GrantClass or GrantScheme.
	What string
	// Name of the setting, main class or URI scheme; a trailing * matches all settings or
	// classes with that prefix.
	Name string
	// Source is where the grant was defined, for messages, e.g. "policy.rules:3".
	Source string
}

// The values of Grant.What.
const (
	GrantConf   = "conf"
	GrantClass  = "class"
	GrantScheme = "scheme"
)

// The modes of a policy.
const (
	// ModeOpen lets clients set whatever no guard, blacklist or rule forbids.
	ModeOpen = gateway.PolicyOpen
	// ModeStrict lets clients set only what is listed or allowed.
	ModeStrict = gateway.PolicyStrict
)

// strictSchemes are the schemes of strict policies: file systems and object stores, but no web
// servers.
var strictSchemes = []string{
	"hdfs", "viewfs", "s3", "s3a", "s3n", "oss", "gs", "abfs", "abfss", "wasb", "wasbs", "cosn", "obs", "o3fs", "ofs",
}

//go:embed strict-settings.conf
var strictText string

// Setting is an entry in the list of settings that clients may set under a strict policy.
type Setting struct {
	// Key is a key of Spark; a trailing * matches all keys with that prefix.
	Key string
	// Why is the reason why clients may set it.
	Why string
}

// StrictSettings returns the built-in list of strict policies.
func StrictSettings() []Setting { return slices.Clone(strictSettings) }

var strictSettings = func() []Setting {
	var list []Setting
	for line := range strings.Lines(strictText) {
		key, why, _ := strings.Cut(line, "#")
		if key = strings.TrimSpace(key); key != "" {
			list = append(list, Setting{Key: key, Why: strings.TrimSpace(why)})
		}
	}
	return list
}()

// strictNames is the list in the form for lookups.
var strictNames = func() names {
	var n names
	for _, s := range strictSettings {
		n.add(s.Key)
	}
	return n
}()

// grants holds what the operator allows clients beyond the mode.
type grants struct {
	conf    names
	classes names
	// kubernetes holds the names of conf that badKubernetes asks for.
	kubernetes names
}

func (p *Policy) compileMode() error {
	switch p.set.Mode {
	case "", ModeOpen:
		p.set.Mode = ModeOpen
	case ModeStrict:
		if p.set.Schemes == nil {
			p.set.Schemes = strictSchemes
		}
	default:
		return gateway.Invalid("policy", p.set.Mode, "must be "+ModeOpen+" or "+ModeStrict)
	}
	return nil
}

// grants returns the grants of the operator's options.
func (g *Guards) grants() (all []Grant) {
	for _, name := range g.AllowConf {
		all = append(all, Grant{What: GrantConf, Name: name, Source: "option allow_conf"})
	}
	for _, name := range g.AllowClasses {
		all = append(all, Grant{What: GrantClass, Name: name, Source: "option allow_class"})
	}
	return all
}

func (p *Policy) compileGrants() error {
	p.set.Grants = append(p.set.grants(), p.set.Grants...)
	for _, g := range p.set.Grants {
		source := orDefault(g.Source, "allow-"+g.What)
		var reason string
		switch g.What {
		case GrantConf:
			reason = p.grantConf(g.Name)
		case GrantClass:
			reason = p.grantClass(g.Name)
		case GrantScheme:
			if reason = badScheme(g.Name); reason == "" && !slices.Contains(p.set.Schemes, g.Name) {
				p.set.Schemes = append(slices.Clone(p.set.Schemes), g.Name)
			}
		default:
			return fmt.Errorf("unknown grant %q", g.What)
		}
		if reason != "" {
			return gateway.Invalid(source, g.Name, reason)
		}
	}
	return nil
}

// grantConf allows a setting, or returns why it cannot be allowed. The blacklist and the gateway's
// own settings take precedence.
func (p *Policy) grantConf(name string) string {
	prefix, wild := strings.CutSuffix(name, "*")
	switch {
	case prefix == "":
		return "a lone * would allow every setting; policy open does that"
	case strings.ContainsRune(prefix, '*'):
		return "a * is allowed at the end only"
	}
	if reason := badKey(prefix); reason != "" {
		return "the key " + reason
	}
	if reason := p.reserved(name); reason != "" && !wild {
		return "cannot be allowed: it " + reason
	}
	p.granted.conf.add(name)
	if strings.HasPrefix(name, kubernetesPrefix) || name == deployMode {
		p.granted.kubernetes.add(name)
	}
	return ""
}

func (p *Policy) grantClass(name string) string {
	prefix, wild := strings.CutSuffix(name, "*")
	if strings.ContainsRune(prefix, '*') {
		return "a * is allowed at the end only"
	}
	plain := prefix
	if wild {
		plain = strings.TrimSuffix(prefix, ".")
	}
	if plain == "" || !className.MatchString(plain) {
		return "must be the name of a class, or a prefix of one followed by *"
	}
	if wild {
		plain += ".X"
	}
	if badClass(plain) == ownClassRule {
		return "cannot be allowed: Spark reads the arguments of such classes as its own options"
	}
	p.granted.classes.add(name)
	return ""
}

// allowClass returns why a batch may not have this main class, or "".
func (p *Policy) allowClass(name string) string {
	if reason := badClass(name); reason != "" {
		return reason
	}
	if p.set.Mode != ModeStrict || p.ruled["className"] || strings.HasPrefix(name, exampleClasses) ||
		p.granted.classes.has(name) {
		return ""
	}
	return "must be a class that the gateway allows by allow-class, because its policy is strict"
}

// closed returns why clients may not set a key, apart from the blacklist and forced settings, and
// the source of the rule; "" if they may.
func (p *Policy) closed(key string) (reason, source string) {
	if name := envVariable(key); name != "" {
		if reason := badVariable(name); reason != "" && !p.granted.conf.has(key) {
			return reason + "; allow-conf " + key + " would let clients set it", builtIn
		}
	}
	if reason := p.badKubernetes(key); reason != "" {
		return reason, builtIn
	}
	if p.set.Mode != ModeStrict || p.allowed(key) {
		return "", ""
	}
	return "is not among the settings that clients may set; allow-conf " + key + " would let them", strictSource
}

const strictSource = "policy strict"

// allowed reports whether a strict policy lets clients set a key: it is on the list,
// granted or ruled, by this name or by another name of the same setting.
func (p *Policy) allowed(key string) bool {
	if strictNames.has(key) || p.granted.conf.has(key) || p.ruled[key] {
		return true
	}
	for _, f := range familiesOf[key] {
		for _, other := range f.keys {
			if strictNames.has(other) || p.granted.conf.has(other) || p.ruled[other] {
				return true
			}
		}
	}
	return false
}
