package policies

import (
	"path"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

// Policy is a compiled policy. It is immutable and safe for concurrent use.
type Policy struct {
	set      Settings
	version  int
	livyKeys map[string]bool
	deny     denials
	// identity is the forced user; empty if there is none.
	identity string
	forced   []force
	// forcedAt maps fields and keys to the force that covers them.
	forcedAt map[string]int
	lists    []listForce
	rules    []rule
	// controlled holds the families that heap options must not bypass.
	controlled map[*family]bool
	granted    grants
	// ruled holds the keys of conf that have a rule.
	ruled map[string]bool
	// disabled holds the routes that are not served.
	disabled map[string]closedRoute
}

// closedRoute holds why a route is not served, and the source of the rule.
type closedRoute struct{ reason, source string }

// Compile checks settings and compiles a policy. Errors are of gateway.KindInvalid and name the
// file and line, or the setting, and the reason.
func Compile(s Settings) (*Policy, error) {
	p := &Policy{
		set: s, livyKeys: map[string]bool{}, forcedAt: map[string]int{},
		deny: denials{exact: map[string]mark{}}, controlled: map[*family]bool{}, disabled: map[string]closedRoute{}, ruled: map[string]bool{},
	}
	for _, step := range []func() error{
		p.compileMode, p.compileBasics, p.compileRoutes, p.compileBlacklist, p.compileIdentity, p.compileInjection, p.compileRules, p.compileGrants, p.compileUploads,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Policy) compileBasics() error {
	s := &p.set
	s.LivyVersion = orDefault(s.LivyVersion, gateway.DefaultLivy)
	s.Master = orDefault(s.Master, "local[*]")
	s.MaxBody = orDefault(s.MaxBody, gateway.DefaultMaxBody)
	s.MaxCode = orDefault(s.MaxCode, gateway.DefaultMaxCode)
	s.MaxUpload = orDefault(s.MaxUpload, gateway.DefaultMaxUpload)
	if s.Schemes == nil {
		s.Schemes = DefaultSchemes
	}
	if s.QueueKeys == nil && p.kubernetes() {
		s.QueueKeys = []string{"spark.kubernetes.namespace"}
	}
	for _, dir := range s.LocalDirs {
		if !path.IsAbs(dir) || path.Clean(dir) != strings.TrimSuffix(dir, "/") {
			return gateway.Invalid("localDirs", dir, "must be a clean absolute path below /")
		}
	}
	for _, scheme := range s.Schemes {
		if reason := badScheme(scheme); reason != "" {
			return gateway.Invalid("schemes", scheme, reason)
		}
	}
	for _, key := range s.LivyKeys {
		if !strings.HasPrefix(key, "livy.") {
			return gateway.Invalid("livyKeys", key, "must begin with livy.")
		}
		p.livyKeys[key] = true
	}
	var err error
	p.version, err = parseVersion(s.LivyVersion)
	return err
}

// badScheme returns why a scheme cannot be allowed, or "".
func badScheme(scheme string) string {
	if got, rest, ok := cutScheme(scheme + ":"); !ok || rest != "" || got != strings.ToLower(scheme) || scheme == "file" || scheme == "local" {
		return "must be a URI scheme in lower case; for file and local use local_dir"
	}
	return ""
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func (p *Policy) kubernetes() bool { return strings.HasPrefix(p.set.Master, "k8s") }
func (p *Policy) yarn() bool       { return strings.HasPrefix(p.set.Master, "yarn") }

func (p *Policy) compileRoutes() error {
	for _, name := range p.set.DisabledRoutes {
		prefix, wild := strings.CutSuffix(name, "*")
		found := false
		for i := range livy.Routes {
			r := livy.Routes[i].Name
			if r == name || wild && strings.HasPrefix(r, prefix) {
				p.disabled[r] = closedRoute{"is disabled on this gateway", "gateway disabledRoutes"}
				found = true
			}
		}
		if !found {
			return gateway.Invalid("disabledRoutes", name,
				"must be the name of a route, or a prefix of one followed by *")
		}
	}
	return nil
}

func (p *Policy) compileBlacklist() error {
	p.deny.addAll(p.set.Blacklist)
	if p.set.Warehouse != nil {
		p.deny.addWarehouse()
	}
	for i := range families {
		if slices.ContainsFunc(families[i].members(), func(name string) bool { _, ok := p.deny.find(name); return ok }) {
			p.controlled[&families[i]] = true
		}
	}
	return nil
}

func (p *Policy) compileIdentity() error {
	p.identity = p.set.Identity
	if p.identity == "" && !p.set.ClientIdentity {
		p.identity = p.set.SparkDefaults["spark.livy.proxyUser"]
	}
	if p.identity != "" && !userName.MatchString(p.identity) {
		if p.set.Identity == "" {
			return gateway.InvalidLine("spark-defaults.conf", "spark.livy.proxyUser: "+userRule)
		}
		return gateway.Invalid("identity", p.identity, userRule)
	}
	if p.identity == "" && !p.set.ClientIdentity {
		p.deny.addKey("proxyUser", "jobs run as the Livy server's own user", builtIn)
	}
	return nil
}

// AllowRoute returns an error of gateway.KindForbidden for disabled routes.
func (p *Policy) AllowRoute(r *livy.Route) error {
	if off, ok := p.disabled[r.Name]; ok {
		return gateway.Errorf(gateway.KindForbidden, "%s %s", r.Name, off.reason)
	}
	return nil
}
